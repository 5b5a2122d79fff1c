/*
 * Preloaded into a process: below $POORFS_ROOT a file system as sticks and shares have them.
 *
 * No hard links, no modes, owners or times, no symbolic links, no extended attributes (exFAT, NTFS,
 * CIFS); with POORFS_NO_LOCKS=1 no locks either (NFS without its lock daemon), with
 * POORFS_READ_ONLY=1 nothing can be changed at all.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

static int set(const char *name) {
    const char *value = getenv(name);
    return value && value[0] == '1';
}

static int below(const char *path) {
    const char *root = getenv("POORFS_ROOT");
    return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int below_at(int folder, const char *path) {
    char link[64], place[PATH_MAX];
    if (path && path[0] == '/') return below(path);
    if (folder == AT_FDCWD) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, place, sizeof place - 1);
    if (length < 0) return 0;
    place[length] = 0;
    return below(place);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE(code) do { errno = (code); return -1; } while (0)

/* What these file systems do not have. */
int link(const char *from, const char *to) {
    if (below(to)) REFUSE(EPERM);
    return NEXT(link)(from, to);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    if (below_at(b, to)) REFUSE(EPERM);
    return NEXT(linkat)(a, from, b, to, flags);
}
int symlink(const char *from, const char *to) {
    if (below(to)) REFUSE(EPERM);
    return NEXT(symlink)(from, to);
}
int chmod(const char *path, mode_t mode) {
    if (below(path)) REFUSE(EPERM);
    return NEXT(chmod)(path, mode);
}
int fchmod(int file, mode_t mode) {
    if (below_at(file, "")) REFUSE(EPERM);
    return NEXT(fchmod)(file, mode);
}
int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    if (below_at(folder, path)) REFUSE(EPERM);
    return NEXT(fchmodat)(folder, path, mode, flags);
}
int chown(const char *path, uid_t user, gid_t group) {
    if (below(path)) REFUSE(EPERM);
    return NEXT(chown)(path, user, group);
}
int fchown(int file, uid_t user, gid_t group) {
    if (below_at(file, "")) REFUSE(EPERM);
    return NEXT(fchown)(file, user, group);
}
int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
    if (below_at(folder, path)) REFUSE(EPERM);
    return NEXT(utimensat)(folder, path, times, flags);
}
int futimens(int file, const struct timespec times[2]) {
    if (below_at(file, "")) REFUSE(EPERM);
    return NEXT(futimens)(file, times);
}
int setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int setxattr(const char *path, const char *name, const void *value, size_t size, int flags) {
    if (below(path)) REFUSE(ENOTSUP);
    return NEXT(setxattr)(path, name, value, size, flags);
}
int flock(int file, int operation) {
    if (set("POORFS_NO_LOCKS") && below_at(file, "")) REFUSE(ENOLCK);
    return NEXT(flock)(file, operation);
}

/* What one that is mounted read-only does not let happen. */
static int kept(const char *path) { return set("POORFS_READ_ONLY") && below(path); }
static int kept_at(int folder, const char *path) {
    return set("POORFS_READ_ONLY") && below_at(folder, path);
}
#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        va_list more;                                                \
        va_start(more, flags);                                       \
        mode_t mode = va_arg(more, mode_t);                          \
        va_end(more);                                                \
        if ((flags & WRITES) && kept(path)) REFUSE(EROFS);           \
        return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name))(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(name)                                                 \
    int name(int folder, const char *path, int flags, ...) {         \
        va_list more;                                                \
        va_start(more, flags);                                       \
        mode_t mode = va_arg(more, mode_t);                          \
        va_end(more);                                                \
        if ((flags & WRITES) && kept_at(folder, path)) REFUSE(EROFS); \
        return ((int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name))(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)
int mkdir(const char *path, mode_t mode) {
    if (kept(path) && access(path, F_OK) != 0) REFUSE(EROFS);
    return NEXT(mkdir)(path, mode);
}
int rename(const char *from, const char *to) {
    if (kept(from) || kept(to)) REFUSE(EROFS);
    return NEXT(rename)(from, to);
}
int unlink(const char *path) {
    if (kept(path)) REFUSE(EROFS);
    return NEXT(unlink)(path);
}
int unlinkat(int folder, const char *path, int flags) {
    if (kept_at(folder, path)) REFUSE(EROFS);
    return NEXT(unlinkat)(folder, path, flags);
}
int rmdir(const char *path) {
    if (kept(path)) REFUSE(EROFS);
    return NEXT(rmdir)(path);
}
