/* Tries the known ways out of a tree, each in a process of its own, and says of each whether it is open.

   ways_out CANARY PROCESS SOCKET PORT MAJOR MINOR HANDLE_TYPE HANDLE [WAY...]
   ways_out --handle DIRECTORY

   CANARY: a file outside; PROCESS: one outside; SOCKET: the name of an abstract socket outside; PORT: of 127.0.0.1;
   MAJOR MINOR: of the machine's disk; HANDLE: of the canary's directory, in hexadecimal, or "-". Nothing is changed:
   the machine's own calls get arguments that they refuse after they have looked at the caller's privileges. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char **given;
static pid_t outside;

/* Every way returns 0 or more where it is open; -1, with errno, where it is closed. */

static int canary(void) { return open(given[0], O_RDONLY); }

static int chroot_twice(void)
{
	int root = open("/", O_RDONLY);
	mkdir("/tmp/below", 0700);
	if (root < 0 || chroot("/tmp/below") < 0 || fchdir(root) < 0)
		return -1;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return -1;
	return chroot(".") < 0 ? -1 : canary();
}

static int handle(void)
{
	char space[sizeof(struct file_handle) + 128];
	struct file_handle *it = (void *)space;
	size_t length = strlen(given[7]) / 2;
	int root = open("/", O_RDONLY), found;
	if (given[7][0] == '-' || length > 128) {
		errno = EOPNOTSUPP;
		return -1;
	}
	it->handle_bytes = length;
	it->handle_type = atoi(given[6]);
	for (size_t i = 0; i < length; i++)
		sscanf(given[7] + 2 * i, "%2hhx", &it->f_handle[i]);
	found = open_by_handle_at(root, it, O_RDONLY | O_DIRECTORY);
	return found < 0 ? -1 : openat(found, strrchr(given[0], '/') + 1, O_RDONLY);
}

static int disk_node(void)
{
	unlink("/tmp/disk");
	if (mknod("/tmp/disk", S_IFBLK | 0600, makedev(atoi(given[4]), atoi(given[5]))) < 0)
		return -1;
	return open("/tmp/disk", O_RDONLY);
}

static int memory_node(void)
{
	unlink("/tmp/memory");
	return mknod("/tmp/memory", S_IFCHR | 0600, makedev(1, 1)) < 0 ? -1 : open("/tmp/memory", O_RDONLY);
}

static int mount_tmpfs(void) { return mount("x", "/tmp", "tmpfs", 0, NULL); }
static int mount_proc(void) { return mount("x", "/tmp", "proc", 0, NULL); }
static int mount_sysfs(void) { return mount("x", "/tmp", "sysfs", 0, NULL); }
static int mount_devtmpfs(void) { return mount("x", "/tmp", "devtmpfs", 0, NULL); }
static int bind_over_etc(void) { return mount("/tmp", "/etc", NULL, MS_BIND, NULL); }
static int remount_root(void) { return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL); }

static int fs_context(void)
{
	return syscall(SYS_fsopen, "tmpfs", 0);
}

static int in_proc(const char *file, int flags)
{
	char path[4096];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)outside, file);
	return open(path, flags);
}

static int root_of_process(void)
{
	char path[4096];
	snprintf(path, sizeof path, "root%s", given[0]);
	return in_proc(path, O_RDONLY);
}

static int root_of_first_process(void)
{
	char path[4096];
	snprintf(path, sizeof path, "/proc/1/root%s", given[0]);
	return open(path, O_RDONLY);
}

static int memory_of_process(void) { return in_proc("mem", O_RDWR); }

static int enter_mounts(void)
{
	int namespace = in_proc("ns/mnt", O_RDONLY);
	return namespace < 0 ? -1 : setns(namespace, CLONE_NEWNS);
}

static int new_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int new_mount_namespace(void) { return unshare(CLONE_NEWNS); }

static int new_namespace_by_clone(void)
{
	pid_t child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		_exit(0);
	return child;
}

static int trace_process(void)
{
	if (ptrace(PTRACE_ATTACH, outside, 0, 0) < 0)
		return -1;
	waitpid(outside, NULL, __WALL);
	ptrace(PTRACE_DETACH, outside, 0, 0);
	return 0;
}

static int signal_process(void) { return kill(outside, 0); }

static int read_process(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)8, 1};
	/* Address 8 is nothing that a process has: EFAULT comes after the permission. */
	ssize_t got = process_vm_readv(outside, &here, 1, &there, 1, 0);
	return got >= 0 || errno == EFAULT ? 0 : -1;
}

/* Calls of the machine: refused with something else than EPERM once the caller may make them. */
static int permitted(long answer)
{
	if (answer >= 0)
		return 0;
	return errno == EPERM || errno == EACCES || errno == ENOSYS ? -1 : 0;
}

static int load_kernel(void) { return permitted(syscall(SYS_kexec_load, 0, 0, NULL, 0xffffL)); }
static int restart(void) { return permitted(syscall(SYS_reboot, 1, 2, 3, NULL)); }
static int load_module(void) { return permitted(syscall(SYS_init_module, NULL, 0, NULL)); }
static int ports(void) { return iopl(3); }
static int kernel_log(void) { return klogctl(10, NULL, 0); }

static int key(void)
{
	return syscall(SYS_add_key, "user", "imagebuild-test", "x", (size_t)1, -2 /* the process' own keyring */);
}

static int terminal_input(void)
{
	int terminal = open("/dev/tty", O_RDWR);
	return terminal < 0 ? -1 : ioctl(terminal, TIOCSTI, "x");
}

static int inherited_file(void)
{
	for (int number = 3; number < 1024; number++)
		if (fcntl(number, F_GETFD) >= 0)
			return number;
	errno = EBADF;
	return -1;
}

static int abstract_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int it = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t length = strlen(given[2]);
	memcpy(address.sun_path + 1, given[2], length);
	return connect(it, (void *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static int local_network(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(given[3]))};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof address);
}

static int packets(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int hypervisor_socket(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }
static int core_pattern(void) { return open("/proc/sys/kernel/core_pattern", O_WRONLY); }
static int sysrq(void) { return open("/proc/sysrq-trigger", O_WRONLY); }
static int kernel_memory(void) { return open("/proc/kcore", O_RDONLY); }

#define WAY(name) {#name, name}
static const struct {
	const char *name;
	int (*try)(void);
} ways[] = {
	WAY(chroot_twice), WAY(handle), WAY(disk_node), WAY(memory_node), WAY(mount_tmpfs), WAY(mount_proc),
	WAY(mount_sysfs), WAY(mount_devtmpfs), WAY(bind_over_etc), WAY(remount_root), WAY(fs_context),
	WAY(root_of_process), WAY(root_of_first_process), WAY(memory_of_process), WAY(enter_mounts),
	WAY(new_user_namespace), WAY(new_mount_namespace), WAY(new_namespace_by_clone), WAY(trace_process),
	WAY(signal_process), WAY(read_process), WAY(load_kernel), WAY(restart), WAY(load_module), WAY(ports),
	WAY(kernel_log), WAY(key), WAY(terminal_input), WAY(inherited_file), WAY(abstract_socket), WAY(local_network),
	WAY(packets), WAY(hypervisor_socket), WAY(core_pattern), WAY(sysrq), WAY(kernel_memory),
};

static int say_handle(const char *directory)
{
	char space[sizeof(struct file_handle) + 128];
	struct file_handle *it = (void *)space;
	int mount_id;
	it->handle_bytes = 128;
	if (name_to_handle_at(AT_FDCWD, directory, it, &mount_id, 0) < 0)
		return puts("0 -"), 0;
	printf("%d ", it->handle_type);
	for (unsigned i = 0; i < it->handle_bytes; i++)
		printf("%02x", it->f_handle[i]);
	return puts(""), 0;
}

static int wanted(const char *name, int count, char **names)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(name, names[i]))
			return 1;
	return count == 0;
}

int main(int count, char **words)
{
	if (count == 3 && !strcmp(words[1], "--handle"))
		return say_handle(words[2]);
	if (count < 9)
		return 2;
	given = words + 1;
	outside = atoi(given[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		int status;
		pid_t child;
		if (!wanted(ways[i].name, count - 9, words + 9))
			continue;
		child = fork();
		if (child == 0) {
			errno = 0;
			if (ways[i].try() >= 0)
				printf("%s open\n", ways[i].name);
			else
				printf("%s closed %s\n", ways[i].name, strerror(errno));
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status != 0)
			printf("%s closed by its end, %x\n", ways[i].name, status);
	}
	return 0;
}
