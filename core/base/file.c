#include "core/base/file.h"

#include "core/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { TEMPORARIES_MAX = 32, READ_CHUNK = 1 << 16, CREATE_TRIES = 100 };

/* The names a signal handler unlinks. It may run at any instruction, so names live in fixed storage and only their state tells whether
 * they are whole. This has to be global: a handler gets no argument. */
enum { SLOT_FREE, SLOT_WRITING, SLOT_LIVE };
static struct {
    atomic_int state;
    char name[PATH_MAX];
} temporaries[TEMPORARIES_MAX];
static atomic_int cleaning; /* while set no slot is taken, so a name that the handler reads cannot change */
static atomic_uint serial;

static void registry_remove(const char *name)
{
    for (int i = 0; i < TEMPORARIES_MAX; i++) {
        if (atomic_load(&temporaries[i].state) != SLOT_LIVE || strcmp(temporaries[i].name, name) != 0) continue;
        atomic_store(&temporaries[i].state, SLOT_FREE);
        return;
    }
}

static fut_status registry_add(const char *name)
{
    size_t bytes = strlen(name) + 1;
    FUT_CHECK(bytes <= PATH_MAX, FUT_ERR_CANT_CREATE, "%.200s...: the path has %zu bytes, the system allows %d", name, bytes - 1,
              PATH_MAX - 1);
    for (int i = 0; i < TEMPORARIES_MAX; i++) {
        int expected = SLOT_FREE;
        if (!atomic_compare_exchange_strong(&temporaries[i].state, &expected, SLOT_WRITING)) continue;
        if (atomic_load(&cleaning)) {
            atomic_store(&temporaries[i].state, SLOT_FREE);
            return FUT_FAIL(FUT_ERR_INTERNAL, "%s: the process is being stopped", name);
        }
        memcpy(temporaries[i].name, name, bytes);
        atomic_store(&temporaries[i].state, SLOT_LIVE);
        return FUT_OK;
    }
    return FUT_FAIL(FUT_ERR_INTERNAL, "%s: %d files are being written already", name, TEMPORARIES_MAX);
}

void fut_file_cleanup_temporaries(void)
{
    int kept_errno = errno;
    atomic_store(&cleaning, 1);
    for (int i = 0; i < TEMPORARIES_MAX; i++)
        if (atomic_load(&temporaries[i].state) == SLOT_LIVE) (void)unlink(temporaries[i].name);
    atomic_store(&cleaning, 0);
    errno = kept_errno;
}

fut_status fut_file_errno(const char *doing, const char *path, int error_number)
{
    fut_status st = FUT_ERR_IO;
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        st = FUT_ERR_NO_INPUT;
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        st = FUT_ERR_PERMISSION;
        break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        st = FUT_ERR_CANT_CREATE;
        break;
    case ENOMEM:
        st = FUT_ERR_NO_MEMORY;
        break;
    default:
        break;
    }
    char text[128];
    return FUT_FAIL(st, "%s: cannot %s: %s", path, doing, strerror_r(error_number, text, sizeof text));
}

/* As fut_file_errno, for a file that is to be made: a folder that is not there is no missing input. */
static fut_status create_errno(const char *doing, const char *path, int error_number)
{
    fut_status st = fut_file_errno(doing, path, error_number);
    return st == FUT_ERR_NO_INPUT || error_number == EISDIR || error_number == ENAMETOOLONG ? FUT_ERR_CANT_CREATE : st;
}

static fut_status read_all(int fd, const char *path, size_t max_bytes, fut_str *out)
{
    char chunk[READ_CHUNK];
    size_t total = 0;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fut_file_errno("read", path, errno);
        if (got == 0) return FUT_OK;
        total += (size_t)got;
        FUT_CHECK(total <= max_bytes, FUT_ERR_DATA, "%s: the file is larger than %zu bytes", path, max_bytes);
        FUT_TRY(fut_str_append(out, chunk, (size_t)got));
    }
}

fut_status fut_file_read(const char *path, size_t max_bytes, fut_str *out)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer; it is refused below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fut_file_errno("open", path, errno);
    fut_status st = FUT_OK;
    struct stat info;
    if (fstat(fd, &info) != 0) {
        st = fut_file_errno("stat", path, errno);
        goto out;
    }
    FUT_CHECK_GOTO(S_ISREG(info.st_mode), FUT_ERR_DATA, out, "%s: this is %s, not a file", path,
                   S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    FUT_CHECK_GOTO((unsigned long long)info.st_size <= max_bytes, FUT_ERR_DATA, out, "%s: the file has %lld bytes, more than %zu", path,
                   (long long)info.st_size, max_bytes);
    FUT_TRY_GOTO(read_all(fd, path, max_bytes, out), out);
out:
    (void)close(fd);
    return st;
}

/* One try of a new temporary beside path. *taken_out: another file has its name. */
static fut_status create_temporary(const char *path, char **temporary_out, bool *taken_out)
{
    fut_status st = FUT_OK;
    fut_str name = {0};
    *taken_out = false;
    FUT_TRY_GOTO(fut_str_printf(&name, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1)), out);
    FUT_TRY_GOTO(registry_add(name.data), out);
    int fd = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); /* the umask decides, as for every file a user makes */
    if (fd < 0) {
        int error_number = errno;
        registry_remove(name.data);
        *taken_out = error_number == EEXIST;
        if (!*taken_out) st = create_errno("create", path, error_number);
        goto out;
    }
    (void)close(fd);
    *temporary_out = name.data;
    name = (fut_str){0};
out:
    fut_str_fini(&name);
    return st;
}

fut_status fut_file_begin(const char *path, fut_file_atomic *file_out)
{
    fut_status st = FUT_OK;
    fut_file_atomic file = {0};
    fut_str name = {0};
    struct stat info;
    FUT_CHECK(stat(path, &info) != 0 || !S_ISDIR(info.st_mode), FUT_ERR_CANT_CREATE, "%s: cannot create: a folder has this name", path);
    FUT_TRY_GOTO(fut_str_append(&name, path, strlen(path)), out);
    /* In a container process ids repeat, so a killed run's leftover may have our name: take the next one. */
    bool taken = true;
    for (int i = 0; taken && i < CREATE_TRIES; i++)
        FUT_TRY_GOTO(create_temporary(path, &file.temporary, &taken), out);
    FUT_CHECK_GOTO(!taken, FUT_ERR_CANT_CREATE, out, "%s: %d temporaries \"%s.tmp-*\" of killed runs are in the way; remove them", path,
                   CREATE_TRIES, path);
    file.path = name.data;
    name = (fut_str){0};
    *file_out = file;
out:
    fut_str_fini(&name);
    return st;
}

/* Open and flush need no memory once the folder is open, so that only the disk can fail after the rename. */
static fut_status open_folder_of(const char *path, int *fd_out)
{
    fut_status st = FUT_OK;
    fut_str folder = {0};
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    FUT_TRY_GOTO(length == 0 ? fut_str_append(&folder, ".", 1) : fut_str_append(&folder, path, length), out);
    *fd_out = open(folder.data, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (*fd_out < 0) st = fut_file_errno("open", folder.data, errno);
out:
    fut_str_fini(&folder);
    return st;
}

static fut_status flush_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fut_file_errno("open", path, errno);
    int error_number = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd);
    return error_number == 0 ? FUT_OK : fut_file_errno("flush", path, error_number);
}

fut_status fut_file_commit(fut_file_atomic *file)
{
    fut_status st = FUT_OK;
    int folder = -1;
    FUT_TRY(flush_file(file->temporary));
    FUT_TRY(open_folder_of(file->path, &folder));
    if (rename(file->temporary, file->path) != 0) {
        st = create_errno("replace", file->path, errno);
        goto out;
    }
    registry_remove(file->temporary);
    /* Some network file systems cannot flush a folder and say EINVAL or ENOTSUP; there the rename itself is as durable as it gets. */
    if (fsync(folder) != 0 && errno != EINVAL && errno != ENOTSUP) st = fut_file_errno("flush the folder of", file->path, errno);
    fut_mem_free(file->temporary);
    fut_mem_free(file->path);
    *file = (fut_file_atomic){0};
out:
    (void)close(folder);
    return st;
}

void fut_file_abandon(fut_file_atomic *file)
{
    if (file->temporary != NULL) {
        (void)unlink(file->temporary);
        registry_remove(file->temporary);
    }
    fut_mem_free(file->temporary);
    fut_mem_free(file->path);
    *file = (fut_file_atomic){0};
}

/* "; 12 bytes are needed, 0 are free" after a message about a full disk. */
static fut_status write_errno(const char *path, const char *temporary, size_t needed, int error_number)
{
    fut_status st = create_errno("write", path, error_number);
    struct statvfs disk;
    if (error_number == ENOSPC && statvfs(temporary, &disk) == 0)
        return FUT_FAIL(st, "%zu bytes are needed, %llu are free", needed, (unsigned long long)disk.f_bavail * disk.f_frsize);
    if (error_number == EFBIG || error_number == EDQUOT) return FUT_FAIL(st, "%zu bytes are needed", needed);
    return st;
}

fut_status fut_file_write(const char *path, const void *bytes, size_t length)
{
    fut_status st = FUT_OK;
    int fd = -1;
    fut_file_atomic file = {0};
    FUT_TRY_GOTO(fut_file_begin(path, &file), out);
    fd = open(file.temporary, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        st = create_errno("open", path, errno);
        goto out;
    }
    for (size_t done = 0; done < length;) {
        ssize_t wrote = write(fd, (const char *)bytes + done, length - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            st = write_errno(path, file.temporary, length, errno);
            goto out;
        }
        done += (size_t)wrote;
    }
    /* NFS and quotas may report a full disk only here. */
    int closed = close(fd);
    fd = -1;
    if (closed != 0) {
        st = write_errno(path, file.temporary, length, errno);
        goto out;
    }
    FUT_TRY_GOTO(fut_file_commit(&file), out);
out:
    if (fd >= 0) (void)close(fd);
    fut_file_abandon(&file);
    return st;
}

fut_status fut_file_make_dirs(const char *path)
{
    fut_status st = FUT_OK;
    fut_str name = {0};
    FUT_TRY_GOTO(fut_str_append(&name, path, strlen(path)), out);
    for (char *end = name.data; *end != '\0';) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = '\0';
        int error_number = mkdir(name.data, S_IRWXU | S_IRWXG | S_IRWXO) == 0 ? 0 : errno;
        struct stat info;
        /* A folder that is there already may answer EEXIST, EROFS or EACCES. */
        if (error_number != 0 && (stat(name.data, &info) != 0 || !S_ISDIR(info.st_mode))) {
            if (error_number == EEXIST)
                st = FUT_FAIL(FUT_ERR_CANT_CREATE, "%s: cannot create the folder %s: a file has this name", path, name.data);
            else
                st = create_errno("create the folder", name.data, error_number);
            goto out;
        }
        *end = kept;
    }
out:
    fut_str_fini(&name);
    return st;
}

bool fut_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}
