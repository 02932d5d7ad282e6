/* Counts the system calls with which a merge changes files, and kills the process at one of them: before it, after it, or
 * in the middle of a write. Loaded with LD_PRELOAD; armed by a call from Python, in the forked copy that shall die. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { ORDINARY, DIRECT, WRITE, OPEN, FSYNC, RENAME, UNLINK, FALLOCATE, MKDIR, CHMOD, KINDS };
enum moment { BEFORE, AFTER, MIDDLE };

static atomic_long counts[KINDS];
static atomic_int armed;
static int kill_kind = -1, kill_moment;
static long kill_nth;

void nbmerge_arm(int kind, long nth, int moment) {
    for (int k = 0; k < KINDS; k++) counts[k] = 0;
    kill_kind = kind, kill_nth = nth, kill_moment = moment;
    armed = 1;
}

long nbmerge_count(int kind) { return counts[kind]; }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether this is the call to die at. */
static int is_it(enum kind kind) { return armed && counts[kind]++ == kill_nth && (int)kind == kill_kind; }

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define AROUND(kind, type, call) \
    int it = is_it(kind); \
    if (it && kill_moment != AFTER) die(); \
    type result = call; \
    if (it) die(); \
    return result

static ssize_t put(ssize_t (*real)(int, const void *, size_t, off64_t), int fd, const void *data, size_t count, off64_t offset) {
    int it = is_it(armed && fcntl(fd, F_GETFL) & O_DIRECT ? DIRECT : ORDINARY);
    if (it && kill_moment == BEFORE) die();
    if (it && kill_moment == MIDDLE) count = count > 8192 ? count / 2 & ~(size_t)4095 : count > 4096 ? 4096 : count / 2;
    ssize_t result = real(fd, data, count, offset);
    if (it) die();
    return result;
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) { REAL(pwrite64); return put(real, fd, data, count, offset); }
ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) { REAL(pwrite64); return put(real, fd, data, count, offset); }
ssize_t write(int fd, const void *data, size_t count) { REAL(write); AROUND(WRITE, ssize_t, real(fd, data, count)); }
int fsync(int fd) { REAL(fsync); AROUND(FSYNC, int, real(fd)); }
int rename(const char *a, const char *b) { REAL(rename); AROUND(RENAME, int, real(a, b)); }
int renameat2(int d, const char *a, int e, const char *b, unsigned f) { REAL(renameat2); AROUND(RENAME, int, real(d, a, e, b, f)); }
int unlink(const char *path) { REAL(unlink); AROUND(UNLINK, int, real(path)); }
int unlinkat(int d, const char *path, int flags) { REAL(unlinkat); AROUND(UNLINK, int, real(d, path, flags)); }
int rmdir(const char *path) { REAL(rmdir); AROUND(UNLINK, int, real(path)); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); AROUND(MKDIR, int, real(path, mode)); }
int chmod(const char *path, mode_t mode) { REAL(chmod); AROUND(CHMOD, int, real(path, mode)); }
int posix_fallocate64(int fd, off64_t a, off64_t n) { REAL(posix_fallocate64); AROUND(FALLOCATE, int, real(fd, a, n)); }
int posix_fallocate(int fd, off_t a, off_t n) { REAL(posix_fallocate64); AROUND(FALLOCATE, int, real(fd, a, n)); }

#define MODE(flags) mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
#define OPENED(call) if (!(flags & (O_WRONLY | O_RDWR))) return call; AROUND(OPEN, int, call)
int open64(const char *path, int flags, ...) { REAL(open64); MODE(flags) OPENED(real(path, flags, mode)); }
int open(const char *path, int flags, ...) { REAL(open64); MODE(flags) OPENED(real(path, flags, mode)); }
