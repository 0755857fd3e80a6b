/*
 * Stands between a server and its disk, loaded with LD_PRELOAD: notes in a journal what is done to files
 * below one folder and what is synced, so that a test can tell what a power failure would leave of them,
 * and lets calls fail or do nothing as the test says.
 *
 * Environment: FAULTY_DISK_FOLDER, an absolute path without symbolic links; FAULTY_DISK_JOURNAL, a file
 * to append to; FAULTY_DISK_CONTROL, a file that holds a `struct control` which the test writes to.
 *
 * Not seen: writes through mmap (of SQLite's index of its log, which is made anew after a failure) and
 * system calls without the C library's functions. What is not seen counts as lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What a file is, by its path. Bits, so that a set of them is a number. */
enum { OTHER = 1, UPLOAD = 2, BLOB = 4, DATABASE = 8, WAL = 16, FOLDER = 32 };
/* What is done to it. */
enum { READ = 1, WRITE = 2, SYNC = 4 };

struct control {
    uint32_t unsynced_kinds; /* of these a sync does nothing, but says that it did */
    uint32_t failing_calls;  /* these calls fail with EIO */
    uint32_t failing_kinds;  /* on these files */
    uint32_t failing_every;  /* each so many-th time; 1 is always */
    uint32_t seen;           /* calls that could fail */
    uint32_t failed;         /* calls that did */
};

/* As the reader of the journal knows them. */
enum { CREATED = 1, WRITTEN, RESIZED, SYNCED, SYNC_FAILED, FOLDER_MADE, FOLDER_SYNCED, RENAMED, REMOVED };

struct record {
    uint32_t what, length; /* bytes that follow: content, or paths parted by NUL */
    uint64_t inode, offset;
};

static char folder[PATH_MAX];
static size_t folder_length;
static int journal = -1;
static volatile struct control *control;
/* What is done and what is noted of it are one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((constructor)) void start(void) {
    const char *watched = getenv("FAULTY_DISK_FOLDER");
    const char *notes = getenv("FAULTY_DISK_JOURNAL");
    const char *commands = getenv("FAULTY_DISK_CONTROL");
    if (!watched || !notes || !commands)
        return;
    int fd = syscall(SYS_openat, AT_FDCWD, commands, O_RDWR | O_CLOEXEC);
    void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    journal = syscall(SYS_openat, AT_FDCWD, notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || shared == MAP_FAILED || journal < 0) {
        fprintf(stderr, "faulty_disk: no journal or no control: %s\n", strerror(errno));
        abort();
    }
    control = shared;
    snprintf(folder, sizeof folder, "%s", watched);
    folder_length = strlen(folder);
}

static int is_inside(const char *path) {
    return path && folder_length && strncmp(path, folder, folder_length) == 0 && path[folder_length] == '/';
}

static uint32_t kind_of_path(const char *path) {
    size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, "-wal") == 0)
        return WAL;
    if (length > 3 && strcmp(path + length - 3, ".db") == 0)
        return DATABASE;
    if (strstr(path, "/uploads/"))
        return UPLOAD;
    return strstr(path, "/blobs/") ? BLOB : OTHER;
}

/* The kind of an open file, and its inode; 0 if it is not in the folder. */
static uint32_t kind_of(int fd, uint64_t *inode, char *path) {
    int before = errno;
    struct stat status;
    uint32_t kind = 0;
    if (folder_length && fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, PATH_MAX - 1);
        path[length < 0 ? 0 : length] = 0;
        *inode = status.st_ino;
        if (is_inside(path) || (S_ISDIR(status.st_mode) && strcmp(path, folder) == 0))
            kind = S_ISDIR(status.st_mode) ? FOLDER : kind_of_path(path);
    }
    errno = before;
    return kind;
}

static int fails(uint32_t call, uint32_t kind) {
    if (!(control->failing_calls & call) || !(control->failing_kinds & kind))
        return 0;
    uint32_t seen = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
    if (control->failing_every == 0 || seen % control->failing_every != 0)
        return 0;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    errno = EIO;
    return 1;
}

/* A torn record at the end of the journal is what was going on when the server was killed. */
static void note(uint32_t what, uint64_t inode, uint64_t offset, const void *bytes, size_t length) {
    int before = errno;
    struct record record = {what, (uint32_t)length, inode, offset};
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)bytes, length}};
    ssize_t written = syscall(SYS_writev, journal, parts, 2);
    if (written != (ssize_t)(sizeof record + length)) {
        fprintf(stderr, "faulty_disk: the journal cannot be written: %s\n", strerror(errno));
        abort();
    }
    errno = before;
}

static void note_paths(uint32_t what, uint64_t inode, const char *from, const char *to) {
    char paths[2 * PATH_MAX];
    int length = snprintf(paths, sizeof paths, "%s%c%s", from, 0, to ? to : "");
    note(what, inode, 0, paths, to ? (size_t)length : strlen(from));
}

/* ── Opening, which may make a file or cut it off ─────────────────────────── */

static int open_file(int at, const char *path, int flags, mode_t mode) {
    int changes = flags & (O_CREAT | O_TRUNC);
    if (!changes || at != AT_FDCWD || !is_inside(path))
        return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int was_there = access(path, F_OK) == 0;
    int fd = syscall(SYS_openat, at, path, flags, mode);
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        if (!was_there)
            note_paths(CREATED, status.st_ino, path, NULL);
        else if (flags & O_TRUNC)
            note(RESIZED, status.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags, last)                                                                                              \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                           \
        va_list more;                                                                                                  \
        va_start(more, last);                                                                                          \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_file(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_file(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_file(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_file(at, path, flags | O_LARGEFILE, mode);
}

/* ── Reading ──────────────────────────────────────────────────────────────── */

static int read_fails(int fd) {
    uint64_t inode;
    char path[PATH_MAX];
    if (!folder_length || !(control->failing_calls & READ))
        return 0;
    uint32_t kind = kind_of(fd, &inode, path);
    return kind && fails(READ, kind);
}

ssize_t read(int fd, void *buffer, size_t length) {
    return read_fails(fd) ? -1 : syscall(SYS_read, fd, buffer, length);
}
ssize_t readv(int fd, const struct iovec *parts, int count) {
    return read_fails(fd) ? -1 : syscall(SYS_readv, fd, parts, count);
}
ssize_t pread(int fd, void *buffer, size_t length, off_t offset) {
    return read_fails(fd) ? -1 : syscall(SYS_pread64, fd, buffer, length, offset);
}
ssize_t pread64(int fd, void *buffer, size_t length, off64_t offset) {
    return read_fails(fd) ? -1 : syscall(SYS_pread64, fd, buffer, length, offset);
}

/* ── Writing ──────────────────────────────────────────────────────────────── */

/* At the file's own offset if `offset` is negative. */
static ssize_t write_file(int fd, const void *bytes, size_t length, off64_t offset) {
    uint64_t inode;
    char path[PATH_MAX];
    uint32_t kind = fd == journal ? 0 : kind_of(fd, &inode, path);
    if (!kind)
        return offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (fails(WRITE, kind))
        return -1;
    pthread_mutex_lock(&lock);
    off64_t at = offset < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : offset;
    ssize_t written =
        offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (written > 0)
        note(WRITTEN, inode, at, bytes, written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) { return write_file(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return write_file(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    return write_file(fd, bytes, length, offset);
}

/* A part at a time, as a write may be shorter than asked for. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    uint64_t inode;
    char path[PATH_MAX];
    if (fd == journal || !kind_of(fd, &inode, path))
        return syscall(SYS_writev, fd, parts, count);
    for (int n = 0; n < count; n++)
        if (parts[n].iov_len)
            return write_file(fd, parts[n].iov_base, parts[n].iov_len, -1);
    return 0;
}

static int resize(int fd, off64_t length) {
    uint64_t inode;
    char path[PATH_MAX];
    uint32_t kind = kind_of(fd, &inode, path);
    if (!kind)
        return syscall(SYS_ftruncate, fd, length);
    if (fails(WRITE, kind))
        return -1;
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_ftruncate, fd, length);
    if (result == 0)
        note(RESIZED, inode, length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return resize(fd, length); }
int ftruncate64(int fd, off64_t length) { return resize(fd, length); }

/* Callers go on with read and write where the kernel cannot copy by itself. */
ssize_t copy_file_range(int from, off64_t *at_from, int to, off64_t *at_to, size_t length, unsigned flags) {
    uint64_t inode;
    char path[PATH_MAX];
    if (kind_of(to, &inode, path)) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_copy_file_range, from, at_from, to, at_to, length, flags);
}

static ssize_t send_file(int to, int from, off64_t *offset, size_t length) {
    uint64_t inode;
    char path[PATH_MAX];
    if (kind_of(to, &inode, path)) {
        errno = EINVAL;
        return -1;
    }
    return read_fails(from) ? -1 : syscall(SYS_sendfile, to, from, offset, length);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t length) { return send_file(to, from, offset, length); }
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) { return send_file(to, from, offset, length); }

/* ── Syncing: noted only, as the machine itself does not fail ─────────────── */

static int sync_file(int fd, long number) {
    uint64_t inode;
    char path[PATH_MAX];
    uint32_t kind = kind_of(fd, &inode, path);
    if (!kind)
        return syscall(number, fd);
    if (control->unsynced_kinds & kind)
        return 0;
    int failed = fails(SYNC, kind);
    pthread_mutex_lock(&lock);
    if (kind != FOLDER)
        note(failed ? SYNC_FAILED : SYNCED, inode, 0, NULL, 0);
    else if (!failed)
        note_paths(FOLDER_SYNCED, inode, path, NULL);
    pthread_mutex_unlock(&lock);
    return failed ? -1 : 0;
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

/* ── Folders ──────────────────────────────────────────────────────────────── */

static int rename_file(const char *from, const char *to) {
    if (!is_inside(from) && !is_inside(to))
        return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (fails(WRITE, FOLDER))
        return -1;
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (result == 0)
        note_paths(RENAMED, 0, from, to);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to) { return rename_file(from, to); }

static int remove_entry(const char *path, int flags) {
    if (!is_inside(path))
        return syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    if (result == 0)
        note_paths(REMOVED, 0, path, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) { return remove_entry(path, 0); }
int rmdir(const char *path) { return remove_entry(path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    if (!is_inside(path))
        return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (fails(WRITE, FOLDER))
        return -1;
    pthread_mutex_lock(&lock);
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (result == 0)
        note_paths(FOLDER_MADE, 0, path, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}
