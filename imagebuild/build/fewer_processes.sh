# Put into a tree's /usr/share/initramfs-tools/conf-hooks.d/ while its mkinitramfs runs, and removed afterwards.
# mkinitramfs asks readlink, realpath and mkdir nine thousand times for what the shell itself can tell: most of its
# processes are these. The answers are the same, so the initrd is, bit for bit. Whatever is not
# certain is left to the programs.

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
