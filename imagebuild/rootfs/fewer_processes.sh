# Put into a tree's /usr/share/initramfs-tools/conf-hooks.d/ while its mkinitramfs runs, and removed afterwards.
# mkinitramfs asks readlink, realpath and mkdir nine thousand times for what the shell itself can tell, and starts cp and
# modinfo for each of its modules. The answers are the same, so the initrd is, bit for bit. Whatever is not certain is
# left to the programs, and to mkinitramfs's own functions.
# shellcheck shell=sh disable=SC2154  # verbose is mkinitramfs's own variable

# A kernel's package asks for an initrd before everything is configured, and dpkg's trigger asks for it again at the end
# of the same run. The first is not made: an empty file stands for it, and none is left in the end (quick_initrd.py).
case "${IMAGEBUILD_ONE_INITRD:-}:${DPKG_MAINTSCRIPT_NAME:-}:${DPKG_MAINTSCRIPT_PACKAGE:-}:${outfile:-}" in
1:postinst:linux-image-*:/*)
	: >"${outfile}"
	exit 0
	;;
esac

_imagebuild_bin="$(command readlink -f /bin)"

# Whether a path is absolute and has no part that means anything but itself.
_imagebuild_plain() {
	case "$1" in
	/*[!/]) ;;
	*) return 1 ;;
	esac
	case "$1/" in
	*//* | */./* | */../*) return 1 ;;
	esac
	return 0
}

readlink() {
	if [ "$*" = "-f /bin" ]; then
		printf '%s\n' "${_imagebuild_bin}"
		return 0
	fi
	if [ $# -eq 2 ] && [ "$1" = -f ] && _imagebuild_plain "$2" && [ -e "$2" ]; then
		_imagebuild_part="$2"
		while [ -n "${_imagebuild_part}" ] && [ ! -h "${_imagebuild_part}" ]; do
			_imagebuild_part="${_imagebuild_part%/*}"
		done
		if [ -z "${_imagebuild_part}" ]; then
			printf '%s\n' "$2"
			return 0
		fi
	fi
	command readlink "$@"
}

realpath() {
	if [ $# -eq 2 ] && { [ "$1" = -ms ] || { [ "$1" = -s ] && [ -e "$2" ]; }; }; then
		_imagebuild_path="$2"
		while [ "${_imagebuild_path#//}" != "${_imagebuild_path}" ]; do
			_imagebuild_path="${_imagebuild_path#/}"
		done
		if _imagebuild_plain "${_imagebuild_path}"; then
			printf '%s\n' "${_imagebuild_path}"
			return 0
		fi
	fi
	command realpath "$@"
}

mkdir() {
	if [ $# -eq 2 ] && [ "$1" = -p ] && [ -d "$2" ]; then
		return 0
	fi
	command mkdir "$@"
}

# Which modules name a firmware at all: modinfo would read that from each of them anew.
_imagebuild_modules="/lib/modules/${1:-none}"
_imagebuild_firmware="$(grep -lrF --include='*.ko' firmware= "${_imagebuild_modules}/" 2>/dev/null)"

modinfo() {
	case "$#:$1:$3:$4:$5" in
	5:-k:-F:firmware:"${_imagebuild_modules}"/*.ko)
		case "
${_imagebuild_firmware}
" in
		*"
$5
"*) ;;
		*) [ -f "$5" ] && return 0 ;;
		esac
		;;
	esac
	command modinfo "$@"
}

# Modules are copied together, when the hooks are about to run; until then an empty file stands for each, because
# copy_file asks what is there. From then on, and whatever else there is to copy, mkinitramfs's own functions do it.
_imagebuild_own() {
	sed -n "/^$1()/,/^}/{s/^$1()/_imagebuild_$1()/;p}" /usr/share/initramfs-tools/hook-functions 2>/dev/null
}

eval "$(_imagebuild_own copy_file)"
eval "$(_imagebuild_own run_scripts)"
if command -v _imagebuild_copy_file >/dev/null && command -v _imagebuild_run_scripts >/dev/null; then
	_imagebuild_together=y
	_imagebuild_folder=
	_imagebuild_from=
	[ "${_imagebuild_bin}" = /usr/bin ] && _imagebuild_from=/usr

	copy_file() {
		case "${_imagebuild_together}:${verbose}:$#:$1:$2" in
		y:n:2:module:"${_imagebuild_modules}"/*.ko)
			if [ -f "$2" ] && [ ! -h "$2" ] && _imagebuild_in_folder "${2%/*}"; then
				[ -e "${DESTDIR}/usr$2" ] && return 1
				: >"${DESTDIR}/usr$2" && printf '%s\n' "${2#/}" >>"${DESTDIR}.modules" && return 0
			fi
			;;
		esac
		_imagebuild_copy_file "$@"
	}

	# Whether the folder is reached by no symbolic link; it is made beneath DESTDIR, too.
	_imagebuild_in_folder() {
		[ "$1" = "${_imagebuild_folder}" ] && return 0
		_imagebuild_plain "$1" || return 1
		_imagebuild_part="${_imagebuild_from}$1"
		while [ -n "${_imagebuild_part}" ]; do
			[ -h "${_imagebuild_part}" ] && return 1
			_imagebuild_part="${_imagebuild_part%/*}"
		done
		mkdir -p "${DESTDIR}/usr$1" && _imagebuild_folder="$1"
	}

	run_scripts() {
		_imagebuild_together=n
		if [ -s "${DESTDIR}.modules" ]; then
			{
				tar -C "${_imagebuild_from:-/}" -cf - --verbatim-files-from -T "${DESTDIR}.modules" ||
					rm -f "${DESTDIR}.modules"
			} | tar -C "${DESTDIR}/usr" -xpf - || exit 1
			rm "${DESTDIR}.modules" || exit 1
		fi
		_imagebuild_run_scripts "$@"
	}
fi
