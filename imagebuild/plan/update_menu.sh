#!/bin/sh
# Written by imagebuild (boot.menu: maintained). Writes /boot/grub/menu.lst from the kernels in /boot: the newest starts,
# and when it does not, the one that runs now. The hooks of kernel packages call it. Settings: /etc/imagebuild/menu.conf
#   update-menu [--without VERSION]   (a kernel that is about to be removed)
# It leaves the menu as it is rather than write one that starts nothing, and replaces it in one step.
set -eu
LC_ALL=C
PATH=${PATH:-}:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
root=${DPKG_ROOT:-}
boot=$root/boot
menu=$boot/grub/menu.lst
without=
[ "${1:-}" != --without ] || without=$2

say() { echo "update-menu: $*" >&2; }

# Numbers of bytes OFFSET to OFFSET + COUNT of FILE.
bytes() { od -An -v -tu1 -j "$2" -N "$3" "$1" 2>/dev/null | tr -s ' \n' '  '; }

# Sets found to what FILE's payload is compressed with ("damaged": no whole kernel), payload and length to where it lies.
# Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, HdrS at 0x202, payload_offset and _length at 0x248.
examine() {
    found=damaged size=$(wc -c <"$1")
    # shellcheck disable=SC2046  # each byte a word
    set -- "$1" $(bytes "$1" 0 4) $(bytes "$1" 497 95)
    if [ "$2 $3 $4 $5" = "127 69 76 70" ]; then found=none; return; fi
    file=$1
    shift 5
    if [ $# != 95 ] || [ "${18} ${19} ${20} ${21}" != "72 100 114 83" ]; then return; fi
    setup=$(((${1} + (${1} == 0) * 4 + 1) * 512))
    payload=$((setup + ${88} + ${89} * 256 + ${90} * 65536 + ${91} * 16777216))
    length=$((${92} + ${93} * 256 + ${94} * 65536 + ${95} * 16777216))
    [ "$size" -ge $((payload + length)) ] || return 0
    case $(bytes "$file" "$payload" 4) in
        *" 31 139 "*) found=gzip ;;
        *" 66 90 104 "*) found=bzip2 ;;
        *" 253 55 122 88 "*) found=xz ;;
        *" 93 0 0 "*) found=lzma ;;
        *" 137 76 90 79 "*) found=lzo ;;
        *" 2 33 76 24 "*) found=lz4 ;;
        *" 40 181 47 253 "*) found=zstd ;;
        *) found=unknown ;;
    esac
}

little_endian() {
    # shellcheck disable=SC2059  # the format is the bytes
    printf "$(printf '\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}

# Put the same kernel, compressed with gzip, behind the file's end, and let the header lead there. A PC starts it as before.
# The last four bytes of either payload are the unpacked size: if they differ, unpacking was cut short.
repack() {
    padding=$(((16 - size % 16) % 16))
    tail -c +$((payload + 1)) "$1" | head -c $((length - 4)) | "$found" -dc | gzip -n6 |
        { cat "$1"; head -c "$padding" /dev/zero; cat; } >"$1.new" || return 1
    begin=$((size + padding)) end=$(wc -c <"$1.new")
    [ "$(bytes "$1" $((payload + length - 4)) 4)" = "$(bytes "$1.new" $((end - 4)) 4)" ] || return 1
    { little_endian $((begin - setup)); little_endian $((end - begin)); } |
        dd of="$1.new" bs=1 seek=584 conv=notrunc 2>/dev/null || return 1
    little_endian $(((end - setup + 15) / 16)) | dd of="$1.new" bs=1 seek=500 conv=notrunc,fsync 2>/dev/null || return 1
    chmod --reference="$1" "$1.new"
    mv -f "$1.new" "$1"
}

# A hole in a file stops GRUB 0.97 ("Error 16"): write such a file whole, beside itself, and take its place.
whole() {
    # shellcheck disable=SC2046  # two numbers
    set -- "$1" $(stat -c '%s %b %B' "$1")
    [ $(($3 * $4)) -lt "$2" ] || return 0
    say "$1 has holes, which the boot loader cannot read: writing it whole"
    if dd if="$1" of="$1.new" bs=64k conv=fsync 2>/dev/null; then
        chmod --reference="$1" "$1.new"
        mv -f "$1.new" "$1"
    else
        rm -f "$1.new"
        return 1
    fi
}

initrd_of() {
    for initrd in "initrd.img-$1" "initramfs-$1.img" "initrd-$1.img" "initrd-$1"; do
        if [ -s "$boot/$initrd" ]; then echo "$initrd"; return; fi
    done
}

wanted() {
    case $1 in *.old | *.bak | *.dpkg-* | *.new | *rescue*) return 1 ;; esac
    for pattern in $KERNELS; do
        # shellcheck disable=SC2254  # a pattern is meant
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

# The file of kernel VERSION, and its initrd, where the loader can start them; why not, where it cannot.
startable() {
    kernel=$boot/vmlinuz-$1
    [ -s "$kernel" ] || kernel=$boot/vmlinux-$1
    initrd=$(initrd_of "$1")
    # shellcheck disable=SC2153  # menu.conf sets it
    [ -n "$initrd" ] || [ "$INITRD" = no ] || { say "$kernel is left out: it has no initrd"; return 1; }
    examine "$kernel"
    case " $UNPACKS $found/$REPACK " in
        *" $found "*) ;;
        *" zstd/yes "* | *" lz4/yes "*)
            repack "$kernel" || { rm -f "$kernel.new"; say "$kernel ($found) cannot be repacked: left out"; return 1; } ;;
        *) say "$kernel ($found) is left out: the boot loader unpacks $UNPACKS"; return 1 ;;
    esac
    whole "$kernel" && { [ -z "$initrd" ] || whole "$boot/$initrd"; }
}

entries() {
    for version in $versions; do
        if [ "$version" = "$without" ] || ! wanted "$version" || ! startable "$version"; then continue; fi
        printf '\ntitle %s, Linux %s\nroot %s\nkernel %s/%s %s\n' \
            "$TITLE" "$version" "$DEVICE" "$DIRECTORY" "${kernel##*/}" "$COMMAND_LINE"
        [ -z "$initrd" ] || printf 'initrd %s/%s\n' "$DIRECTORY" "$initrd"
    done
}

# shellcheck source=/dev/null
. "$root/etc/imagebuild/menu.conf"
set -f
# shellcheck disable=SC2012  # names with blanks are left out
versions=$(ls "$boot" | sed -n '/[[:space:]]/d; s/-rc/~rc/; s/^vmlinu[xz]-//p' | sort -Vru | sed 's/~rc/-rc/')
text=$(entries)
if [ -z "$text" ]; then
    say "no kernel in $boot can be started: $menu stays as it is"
    exit 0
fi
titles=$(printf '%s\n' "$text" | sed -n 's/^title //p')
count=$(printf '%s\n' "$titles" | wc -l)
# The entry of the running kernel; where that is the first, the one after it.
fallback=$(printf '%s\n' "$titles" | sed -n "/, Linux $(uname -r | sed 's/[.[\*^$/]/\\&/g')\$/=" | head -n 1)
[ "${fallback:-1}" -gt 1 ] || fallback=2
new=$menu.new
{
    echo "# Written by /usr/lib/imagebuild/update-menu, again with each kernel that comes or goes."
    echo "# To change it, change /etc/imagebuild/menu.conf, then run that program."
    printf 'default 0\ntimeout %s\n' "$TIMEOUT"
    [ "$fallback" -gt "$count" ] || echo "fallback $((fallback - 1))"
    printf '%s\n' "$text"
} | dd of="$new" conv=fsync 2>/dev/null || { rm -f "$new"; say "cannot write $new (is $boot full?): $menu stays as it is"; exit 1; }
mv -f "$new" "$menu"
sync
