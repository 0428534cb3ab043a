/* Test only: stands between a process and the C library's file calls, by LD_PRELOAD.
 *
 * Each durable operation below one folder gets a number, in an order that holds for all processes: a creating open, a
 * write, fsync, rename, link, truncate, unlink, mkdir, rmdir. It is appended to a log, and at a chosen number the
 * process is killed, or the operation fails. What it does not see: stores into a mapped file (SQLite's -shm), stdio
 * inside the C library (fopen, fwrite), io_uring, system calls without the C library, statically linked programs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, SYNC, RENAME, TRUNCATE, UNLINK, MKDIR, RMDIR, LINK };

struct control { /* shared with tests/faults/shim.py */
    int64_t enabled, counter, kill_at, after, group, fail_from, fail_count, fail_errno, record;
};

struct head { /* likewise */
    int64_t kind, pid, inode, offset, length, path, second;
};

static volatile struct control *control;
static int log_handle = -1;
static char root[PATH_MAX];
static size_t root_length;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void start(void) {
    const char *place = getenv("STUDY_SHIM"), *below = getenv("STUDY_SHIM_ROOT");
    char name[PATH_MAX];
    if (!place || !below)
        return;
    snprintf(root, sizeof root, "%s", below);
    root_length = strlen(root);
    snprintf(name, sizeof name, "%s/control", place);
    int handle = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
    if (handle < 0)
        return;
    void *page = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    syscall(SYS_close, handle);
    snprintf(name, sizeof name, "%s/log", place);
    handle = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_APPEND | O_CLOEXEC);
    log_handle = handle < 0 ? -1 : fcntl(handle, F_DUPFD_CLOEXEC, 700); /* out of the way of what a program closes */
    syscall(SYS_close, handle);
    if (page != MAP_FAILED)
        control = page;
}

static int below(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int is_ours(int directory, const char *path, char *whole) {
    char of[PATH_MAX] = "", link[64];
    if (!control || !control->enabled || !path)
        return 0;
    if (path[0] != '/') {
        snprintf(link, sizeof link, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, of, sizeof of - 2);
        if (length <= 0)
            return 0;
        of[length] = '/';
        of[length + 1] = 0;
    }
    if (strlen(of) + strlen(path) >= PATH_MAX)
        return 0;
    strcpy(whole, of);
    strcat(whole, path);
    return below(whole);
}

static int is_our_handle(int handle, char *whole, int64_t *inode) {
    char link[64];
    struct stat about;
    if (!control || !control->enabled || handle == log_handle)
        return 0;
    if (fstat(handle, &about) || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, whole, PATH_MAX - 1);
    if (length <= 0)
        return 0;
    whole[length] = 0;
    *inode = about.st_ino;
    return below(whole);
}

static void die(void) {
    kill(control->group ? 0 : getpid(), SIGKILL);
    for (;;)
        pause();
}

static void lock(int type) { /* a process's, which ends with it */
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    while (log_handle >= 0 && fcntl(log_handle, F_SETLKW, &whole) && errno == EINTR) {
    }
}

static int64_t begin(void) { /* the operation's number; 0 if it has to fail */
    pthread_mutex_lock(&mutex);
    lock(F_WRLCK);
    int64_t number = ++control->counter;
    if (number == control->kill_at && !control->after)
        die();
    if (control->fail_count && number >= control->fail_from && number < control->fail_from + control->fail_count) {
        lock(F_UNLCK);
        pthread_mutex_unlock(&mutex);
        errno = control->fail_errno;
        return 0;
    }
    return number;
}

static void end(int64_t number, int done, enum kind kind, int64_t inode, const char *path, const char *second,
                int64_t offset, const struct iovec *parts, int count, int64_t length) {
    int kept = errno;
    if (done && control->record && log_handle >= 0) {
        struct head head = {kind, getpid(), inode, offset, length, strlen(path), second ? strlen(second) : 0};
        int64_t left = count ? length : 0;
        syscall(SYS_write, log_handle, &head, sizeof head);
        syscall(SYS_write, log_handle, path, head.path);
        if (second)
            syscall(SYS_write, log_handle, second, head.second);
        for (int each = 0; each < count && left > 0; each++) {
            int64_t size = (int64_t)parts[each].iov_len < left ? (int64_t)parts[each].iov_len : left;
            syscall(SYS_write, log_handle, parts[each].iov_base, size);
            left -= size;
        }
    }
    if (number == control->kill_at && control->after)
        die();
    lock(F_UNLCK);
    pthread_mutex_unlock(&mutex);
    errno = kept;
}

static int64_t inode_of(int directory, const char *path) {
    struct stat about;
    return fstatat(directory, path, &about, AT_SYMLINK_NOFOLLOW) ? 0 : (int64_t)about.st_ino;
}

static int opened(int directory, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int writes = (flags & O_CREAT) || (flags & O_TRUNC);
    if ((flags & O_TMPFILE) == O_TMPFILE || !writes || !is_ours(directory, path, whole))
        return syscall(SYS_openat, directory, path, flags, mode);
    int is_new = inode_of(directory, path) == 0;
    if (!is_new && !(flags & O_TRUNC))
        return syscall(SYS_openat, directory, path, flags, mode);
    int64_t number = begin();
    if (!number)
        return -1;
    int handle = syscall(SYS_openat, directory, path, flags, mode);
    struct stat about = {0};
    if (handle >= 0)
        fstat(handle, &about);
    end(number, handle >= 0, is_new ? CREATE : TRUNCATE, about.st_ino, whole, NULL, 0, NULL, 0, 0);
    return handle;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return opened(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static ssize_t written(int handle, const struct iovec *parts, int count, off_t at) { /* at -1: where the handle is */
    char whole[PATH_MAX];
    int64_t inode;
    int is_ours = is_our_handle(handle, whole, &inode);
    int64_t number = is_ours ? begin() : 0;
    if (is_ours && !number)
        return -1;
    ssize_t done = at < 0 ? syscall(SYS_writev, handle, parts, count) : syscall(SYS_pwritev, handle, parts, count, at, 0);
    if (is_ours) {
        off_t offset = at < 0 && done >= 0 ? lseek(handle, 0, SEEK_CUR) - done : at;
        end(number, done >= 0, WRITE, inode, whole, NULL, offset, parts, count, done);
    }
    return done;
}

ssize_t write(int handle, const void *from, size_t size) {
    struct iovec part = {(void *)from, size};
    return written(handle, &part, 1, -1);
}
ssize_t pwrite(int handle, const void *from, size_t size, off_t at) {
    struct iovec part = {(void *)from, size};
    return written(handle, &part, 1, at);
}
ssize_t pwrite64(int handle, const void *from, size_t size, off_t at) { return pwrite(handle, from, size, at); }
ssize_t writev(int handle, const struct iovec *parts, int count) { return written(handle, parts, count, -1); }
ssize_t pwritev(int handle, const struct iovec *parts, int count, off_t at) { return written(handle, parts, count, at); }
ssize_t pwritev64(int handle, const struct iovec *parts, int count, off_t at) { return written(handle, parts, count, at); }

/* A copy inside the kernel would be a write that nobody sees: programs fall back to reading and writing. */
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    char whole[PATH_MAX];
    int64_t inode;
    if (is_our_handle(out, whole, &inode)) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_sendfile, out, in, offset, count);
}
ssize_t sendfile64(int out, int in, off_t *offset, size_t count) { return sendfile(out, in, offset, count); }
ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t size, unsigned flags) {
    char whole[PATH_MAX];
    int64_t inode;
    if (is_our_handle(out, whole, &inode)) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_copy_file_range, in, from, out, to, size, flags);
}

static int on_handle(int handle, enum kind kind, int64_t length) {
    char whole[PATH_MAX];
    int64_t inode;
    int is_ours = is_our_handle(handle, whole, &inode);
    int64_t number = is_ours ? begin() : 0;
    if (is_ours && !number)
        return -1;
    int done = kind == SYNC ? syscall(SYS_fsync, handle) : syscall(SYS_ftruncate, handle, length);
    if (is_ours)
        end(number, done == 0, kind, inode, whole, NULL, length, NULL, 0, 0);
    return done;
}

int fsync(int handle) { return on_handle(handle, SYNC, 0); }
int fdatasync(int handle) { return on_handle(handle, SYNC, 0); }
int ftruncate(int handle, off_t length) { return on_handle(handle, TRUNCATE, length); }
int ftruncate64(int handle, off_t length) { return on_handle(handle, TRUNCATE, length); }

int truncate(const char *path, off_t length) {
    int handle = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (handle < 0)
        return -1;
    int done = on_handle(handle, TRUNCATE, length), kept = errno;
    syscall(SYS_close, handle);
    errno = kept;
    return done;
}
int truncate64(const char *path, off_t length) { return truncate(path, length); }

static int on_path(enum kind kind, int at, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int is_ours_ = is_ours(at, path, whole);
    int64_t inode = is_ours_ ? inode_of(at, path) : 0;
    int64_t number = is_ours_ ? begin() : 0;
    if (is_ours_ && !number)
        return -1;
    int done = kind == MKDIR ? syscall(SYS_mkdirat, at, path, mode) : syscall(SYS_unlinkat, at, path, flags);
    if (is_ours_)
        end(number, done == 0, kind, kind == MKDIR ? inode_of(at, path) : inode, whole, NULL, 0, NULL, 0, 0);
    return done;
}

int unlink(const char *path) { return on_path(UNLINK, AT_FDCWD, path, 0, 0); }
int unlinkat(int at, const char *path, int flags) {
    return on_path(flags & AT_REMOVEDIR ? RMDIR : UNLINK, at, path, flags, 0);
}
int rmdir(const char *path) { return on_path(RMDIR, AT_FDCWD, path, AT_REMOVEDIR, 0); }
int mkdir(const char *path, mode_t mode) { return on_path(MKDIR, AT_FDCWD, path, 0, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return on_path(MKDIR, at, path, 0, mode); }

static int moved(enum kind kind, int from, const char *old, int to, const char *new, unsigned flags) {
    char whole[PATH_MAX], second[PATH_MAX];
    int is_ours_ = is_ours(from, old, whole) && is_ours(to, new, second);
    int64_t number = is_ours_ ? begin() : 0;
    if (is_ours_ && !number)
        return -1;
    int done = kind == LINK ? syscall(SYS_linkat, from, old, to, new, flags)
                            : syscall(SYS_renameat2, from, old, to, new, flags);
    if (is_ours_)
        end(number, done == 0, kind, inode_of(to, new), whole, second, 0, NULL, 0, 0);
    return done;
}

int rename(const char *old, const char *new) { return moved(RENAME, AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return moved(RENAME, from, old, to, new, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return moved(RENAME, from, old, to, new, flags);
}
int link(const char *old, const char *new) { return moved(LINK, AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int from, const char *old, int to, const char *new, int flags) {
    return moved(LINK, from, old, to, new, flags);
}
