#include "core/base/file.h"
#include "core/base/mem.h"
#include "data/h5.h"
#include "data/h5_seal_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { CHUNK = 1 << 20 };

static const char magic[16] = "futago sealed 1\n";

/* Bytes 0..47 of the file, little-endian; the rest of the user block stays zero. */
typedef struct seal {
    char magic[16];
    uint64_t file_bytes;
    uint64_t payload_offset, payload_bytes;
    uint64_t sum; /* XXH3 of this seal with sum = 0, then of every byte behind it outside the payload */
} seal;

static fut_status sum_range(int fd, const char *path, int64_t from, int64_t to, uint8_t *chunk, XXH3_state_t *state)
{
    while (from < to) {
        size_t want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
        ssize_t got = pread(fd, chunk, want, from);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fut_file_errno("read", path, errno);
        FUT_CHECK(got > 0, FUT_ERR_DATA, "%s: the file ends at byte %lld, expected %lld; it is truncated", path, (long long)from,
                  (long long)to);
        (void)XXH3_64bits_update(state, chunk, (size_t)got);
        from += got;
    }
    return FUT_OK;
}

static fut_status sum_file(int fd, const char *path, const seal *s, uint64_t *sum_out)
{
    fut_status st = FUT_OK;
    uint8_t *chunk = NULL;
    XXH3_state_t *state = NULL;
    seal unsummed = *s;
    unsummed.sum = 0;
    FUT_TRY(FUT_NEW_ARRAY(CHUNK, &chunk));
    state = XXH3_createState();
    FUT_CHECK_GOTO(state != NULL, FUT_ERR_NO_MEMORY, out, "no memory for a checksum");
    (void)XXH3_64bits_reset(state);
    (void)XXH3_64bits_update(state, &unsummed, sizeof unsummed);
    int64_t end = (int64_t)s->file_bytes;
    int64_t from = s->payload_bytes == 0 ? end : (int64_t)s->payload_offset;
    int64_t to = s->payload_bytes == 0 ? end : (int64_t)(s->payload_offset + s->payload_bytes);
    FUT_TRY_GOTO(sum_range(fd, path, (int64_t)sizeof unsummed, from, chunk, state), out);
    FUT_TRY_GOTO(sum_range(fd, path, to, end, chunk, state), out);
    *sum_out = XXH3_64bits_digest(state);
out:
    (void)XXH3_freeState(state);
    fut_mem_free(chunk);
    return st;
}

fut_status fut_h5_seal_write(const char *path, fut_h5_range payload)
{
    fut_status st = FUT_OK;
    seal s = {.payload_offset = (uint64_t)payload.offset, .payload_bytes = (uint64_t)payload.bytes};
    struct stat info;
    memcpy(s.magic, magic, sizeof magic);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return fut_file_errno("open", path, errno);
    if (fstat(fd, &info) != 0) {
        st = fut_file_errno("stat", path, errno);
        goto out;
    }
    s.file_bytes = (uint64_t)info.st_size;
    FUT_TRY_GOTO(sum_file(fd, path, &s, &s.sum), out);
    ssize_t written = pwrite(fd, &s, sizeof s, 0);
    if (written != (ssize_t)sizeof s) st = fut_file_errno("write", path, written < 0 ? errno : EIO);
out:
    if (close(fd) != 0 && st == FUT_OK) st = fut_file_errno("close", path, errno);
    return st;
}

/* The seal's own numbers hold together. */
static fut_status check_numbers(const seal *s, const char *path, int64_t file_bytes)
{
    static const char hdf5_magic[8] = "\211HDF\r\n\032\n";
    if (memcmp(s->magic, hdf5_magic, sizeof hdf5_magic) == 0)
        return FUT_FAIL(FUT_ERR_DATA, "%s: this is an HDF5 file, but not one that futago wrote; `futago pack` makes one from photos", path);
    FUT_CHECK(memcmp(s->magic, magic, sizeof magic) == 0, FUT_ERR_DATA, "%s: this is not a futago file", path);
    FUT_CHECK(s->file_bytes == (uint64_t)file_bytes, FUT_ERR_DATA, "%s: the file has %lld bytes, %llu were written; it is %s", path,
              (long long)file_bytes, (unsigned long long)s->file_bytes, s->file_bytes > (uint64_t)file_bytes ? "truncated" : "damaged");
    uint64_t end = 0;
    bool inside = s->payload_bytes == 0 || (s->payload_offset >= FUT_H5_SEAL_BYTES &&
                                            !__builtin_add_overflow(s->payload_offset, s->payload_bytes, &end) && end <= s->file_bytes);
    FUT_CHECK(inside, FUT_ERR_DATA, "%s: the seal in its first bytes is damaged", path);
    return FUT_OK;
}

fut_status fut_h5_seal_check(const char *path, int64_t *file_bytes_out)
{
    fut_status st = FUT_OK;
    seal s;
    struct stat info;
    /* O_NONBLOCK: opening a FIFO must not wait for its writer; it is refused below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fut_file_errno("open", path, errno);
    if (fstat(fd, &info) != 0) {
        st = fut_file_errno("stat", path, errno);
        goto out;
    }
    FUT_CHECK_GOTO(S_ISREG(info.st_mode), FUT_ERR_DATA, out, "%s: this is %s, not a file", path,
                   S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    ssize_t got = pread(fd, &s, sizeof s, 0);
    if (got < 0) {
        st = fut_file_errno("read", path, errno);
        goto out;
    }
    FUT_CHECK_GOTO(got > 0, FUT_ERR_DATA, out, "%s: the file is empty", path);
    FUT_CHECK_GOTO(got == (ssize_t)sizeof s && info.st_size >= FUT_H5_SEAL_BYTES, FUT_ERR_DATA, out, "%s: this is not a futago file", path);
    FUT_TRY_GOTO(check_numbers(&s, path, info.st_size), out);
    uint64_t sum = 0;
    FUT_TRY_GOTO(sum_file(fd, path, &s, &sum), out);
    FUT_CHECK_GOTO(sum == s.sum, FUT_ERR_DATA, out, "%s: the file is damaged or was changed: its checksum is %016llx, %016llx was written",
                   path, (unsigned long long)sum, (unsigned long long)s.sum);
    *file_bytes_out = info.st_size;
out:
    (void)close(fd);
    return st;
}
