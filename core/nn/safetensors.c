#include "core/nn/safetensors.h"

#include "core/base/file.h"
#include "core/base/mem.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct dtype_name {
    const char *text;
    fut_dtype dtype;
} dtype_names[] = {{"F32", FUT_F32}, {"F16", FUT_F16}, {"BF16", FUT_BF16}, {"F64", FUT_F64}, {"I64", FUT_I64}};
enum { DTYPE_NAMES = sizeof dtype_names / sizeof *dtype_names };

/* The largest whole number that a JSON reader keeps exactly. */
static const double whole_max = 9007199254740992.0;

static fut_status read_at(const char *path, int fd, uint64_t offset, void *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(fd, (char *)bytes + done, length - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fut_file_errno("read", path, errno);
        FUT_CHECK(got > 0, FUT_ERR_DATA, "%s: ends at byte %llu, expected %llu more", path, (unsigned long long)(offset + done),
                  (unsigned long long)(length - done));
        done += (size_t)got;
    }
    return FUT_OK;
}

static bool whole_number(const cJSON *item, uint64_t *value_out)
{
    if (!cJSON_IsNumber(item)) return false;
    double value = item->valuedouble;
    if (!(value >= 0 && value <= whole_max) || floor(value) != value) return false;
    *value_out = (uint64_t)value;
    return true;
}

/* ---- one entry of the header ---------------------------------------------------------------------------------------------------- */

static fut_status parse_dtype(const char *path, const cJSON *item, fut_safetensors_entry *entry)
{
    const char *text = cJSON_GetStringValue(item);
    for (int i = 0; text && i < DTYPE_NAMES; i++) {
        if (strcmp(text, dtype_names[i].text) != 0) continue;
        entry->dtype = dtype_names[i].dtype;
        return FUT_OK;
    }
    return FUT_FAIL(FUT_ERR_DATA, "%s: tensor %s has dtype %.32s, expected F32, F16, BF16, F64 or I64", path, entry->name,
                    text ? text : "of no name");
}

static fut_status parse_shape(const char *path, const cJSON *item, fut_safetensors_entry *entry)
{
    FUT_CHECK(cJSON_IsArray(item) && cJSON_GetArraySize(item) <= FUT_SAFETENSORS_RANK_MAX, FUT_ERR_DATA,
              "%s: shape of tensor %s is no list of at most %d sizes", path, entry->name, FUT_SAFETENSORS_RANK_MAX);
    entry->count = 1;
    for (const cJSON *size = item->child; size; size = size->next) {
        uint64_t value = 0;
        FUT_CHECK(whole_number(size, &value), FUT_ERR_DATA, "%s: shape of tensor %s holds something that is no whole number", path,
                  entry->name);
        FUT_CHECK(value == 0 || entry->count <= INT64_MAX / 8 / (int64_t)value, FUT_ERR_DATA,
                  "%s: shape of tensor %s is too large to be true", path, entry->name);
        entry->dim[entry->rank++] = (int64_t)value;
        entry->count *= (int64_t)value;
    }
    return FUT_OK;
}

static fut_status parse_offsets(const char *path, const cJSON *item, fut_safetensors_entry *entry)
{
    FUT_CHECK(cJSON_IsArray(item) && cJSON_GetArraySize(item) == 2 && whole_number(item->child, &entry->begin) &&
                  whole_number(item->child->next, &entry->end) && entry->begin <= entry->end,
              FUT_ERR_DATA, "%s: data_offsets of tensor %s are no [begin, end]", path, entry->name);
    uint64_t bytes = entry->end - entry->begin, expected = (uint64_t)entry->count * fut_dtype_size(entry->dtype);
    FUT_CHECK(bytes == expected, FUT_ERR_DATA, "%s: tensor %s has %llu bytes, its dtype and shape take %llu", path, entry->name,
              (unsigned long long)bytes, (unsigned long long)expected);
    return FUT_OK;
}

static fut_status parse_entry(const char *path, const cJSON *item, fut_safetensors_entry *entry)
{
    char *name = NULL;
    size_t length = strlen(item->string);
    FUT_TRY(FUT_NEW_ARRAY(length + 1, &name));
    memcpy(name, item->string, length);
    entry->name = name;
    FUT_CHECK(cJSON_IsObject(item) && cJSON_GetArraySize(item) == 3, FUT_ERR_DATA,
              "%s: tensor %s must have dtype, shape and data_offsets, and nothing else", path, name);
    FUT_TRY(parse_dtype(path, cJSON_GetObjectItemCaseSensitive(item, "dtype"), entry));
    FUT_TRY(parse_shape(path, cJSON_GetObjectItemCaseSensitive(item, "shape"), entry));
    return parse_offsets(path, cJSON_GetObjectItemCaseSensitive(item, "data_offsets"), entry);
}

/* ---- the header as a whole ------------------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const fut_safetensors_entry *)a)->name, ((const fut_safetensors_entry *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const fut_safetensors_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Ranges follow each other without a gap or an overlap, from 0 to data_bytes. */
static fut_status check_ranges(fut_safetensors *file, uint64_t data_bytes)
{
    uint64_t covered = 0;
    qsort(file->entries, (size_t)file->count, sizeof *file->entries, by_place);
    for (int i = 0; i < file->count; i++) {
        const fut_safetensors_entry *entry = &file->entries[i];
        FUT_CHECK(entry->begin == covered, FUT_ERR_DATA, "%s: data of tensor %s begins at %llu, expected %llu: ranges %s", file->path,
                  entry->name, (unsigned long long)entry->begin, (unsigned long long)covered,
                  entry->begin < covered ? "overlap" : "leave a gap");
        covered = entry->end;
    }
    FUT_CHECK(covered == data_bytes, FUT_ERR_DATA, "%s: the header describes %llu bytes of data, the file has %llu", file->path,
              (unsigned long long)covered, (unsigned long long)data_bytes);
    return FUT_OK;
}

static fut_status check_names(fut_safetensors *file)
{
    qsort(file->entries, (size_t)file->count, sizeof *file->entries, by_name);
    for (int i = 1; i < file->count; i++)
        FUT_CHECK(strcmp(file->entries[i - 1].name, file->entries[i].name) != 0, FUT_ERR_DATA, "%s: two tensors are called %s", file->path,
                  file->entries[i].name);
    return FUT_OK;
}

static fut_status parse_header(fut_safetensors *file, const char *text, uint64_t data_bytes)
{
    fut_status st = FUT_OK;
    cJSON *root = text[0] == '{' ? cJSON_ParseWithOpts(text, NULL, true) : NULL;
    FUT_CHECK_GOTO(cJSON_IsObject(root), FUT_ERR_DATA, out, "%s: the header is no JSON object; is this a safetensors file?", file->path);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(cJSON_GetArraySize(root), &file->entries), out);
    for (const cJSON *item = root->child; item; item = item->next) {
        if (strcmp(item->string, "__metadata__") == 0) continue;
        FUT_TRY_GOTO(parse_entry(file->path, item, &file->entries[file->count++]), out);
    }
    FUT_TRY_GOTO(check_ranges(file, data_bytes), out);
    FUT_TRY_GOTO(check_names(file), out);
out:
    cJSON_Delete(root);
    return st;
}

static fut_status read_header(fut_safetensors *file)
{
    fut_status st = FUT_OK;
    char *text = NULL;
    unsigned char prefix[8];
    uint64_t length = 0;
    struct stat info;
    if (fstat(file->fd, &info) != 0) return fut_file_errno("inspect", file->path, errno);
    FUT_CHECK(S_ISREG(info.st_mode) && info.st_size >= (off_t)sizeof prefix, FUT_ERR_DATA,
              "%s: %lld bytes, too short for a safetensors file", file->path, (long long)info.st_size);
    FUT_TRY(read_at(file->path, file->fd, 0, prefix, sizeof prefix));
    for (int i = 7; i >= 0; i--)
        length = length << 8 | prefix[i];
    uint64_t rest = (uint64_t)info.st_size - sizeof prefix;
    FUT_CHECK(length <= rest && length <= FUT_SAFETENSORS_HEADER_MAX, FUT_ERR_DATA,
              "%s: header of %llu bytes, the file has %llu after its length and a header may have %d", file->path,
              (unsigned long long)length, (unsigned long long)rest, FUT_SAFETENSORS_HEADER_MAX);
    file->data_start = sizeof prefix + length;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(length + 1, &text), out);
    FUT_TRY_GOTO(read_at(file->path, file->fd, sizeof prefix, text, (size_t)length), out);
    FUT_CHECK_GOTO(strlen(text) == length, FUT_ERR_DATA, out, "%s: the header holds a NUL byte", file->path);
    FUT_TRY_GOTO(parse_header(file, text, rest - length), out);
out:
    fut_mem_free(text);
    return st;
}

fut_status fut_safetensors_open(const char *path, fut_safetensors **file_out)
{
    fut_status st = FUT_OK;
    fut_safetensors *file = NULL;
    FUT_TRY_GOTO(FUT_NEW(&file), out);
    file->fd = -1;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(strlen(path) + 1, &file->path), out);
    memcpy(file->path, path, strlen(path));
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (file->fd < 0) {
        st = fut_file_errno("open", path, errno);
        goto out;
    }
    FUT_TRY_GOTO(read_header(file), out);
    *file_out = file;
    file = NULL;
out:
    fut_safetensors_close(&file);
    return st;
}

void fut_safetensors_close(fut_safetensors **file)
{
    if (!*file) return;
    for (int i = 0; i < (*file)->count; i++)
        fut_mem_free((char *)(*file)->entries[i].name);
    if ((*file)->fd >= 0) close((*file)->fd);
    fut_mem_free((*file)->entries);
    fut_mem_free((*file)->path);
    fut_mem_free(*file);
    *file = NULL;
}

const fut_safetensors_entry *fut_safetensors_find(const fut_safetensors *file, const char *name)
{
    fut_safetensors_entry key = {.name = name};
    return bsearch(&key, file->entries, (size_t)file->count, sizeof *file->entries, by_name);
}

/* ---- values --------------------------------------------------------------------------------------------------------------------- */

static double from_f16(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double magnitude = exponent == 0    ? ldexp(fraction, -24)
                       : exponent == 31 ? (fraction ? NAN : INFINITY)
                                        : ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
}

static double from_bf16(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static double value_at(fut_dtype dtype, const void *bytes, int64_t i)
{
    switch (dtype) {
    case FUT_F16:
        return from_f16(((const uint16_t *)bytes)[i]);
    case FUT_BF16:
        return from_bf16(((const uint16_t *)bytes)[i]);
    case FUT_F64:
        return ((const double *)bytes)[i];
    case FUT_I64:
        return (double)((const int64_t *)bytes)[i];
    default:
        return ((const float *)bytes)[i];
    }
}

fut_status fut_safetensors_read(const fut_safetensors *file, const fut_safetensors_entry *entry, double *values_out)
{
    fut_status st = FUT_OK;
    void *bytes = NULL;
    size_t length = (size_t)(entry->end - entry->begin);
    FUT_TRY_GOTO(fut_mem_alloc(length, 1, &bytes), out);
    FUT_TRY_GOTO(read_at(file->path, file->fd, file->data_start + entry->begin, bytes, length), out);
    for (int64_t i = 0; i < entry->count; i++)
        values_out[i] = value_at(entry->dtype, bytes, i);
out:
    fut_mem_free(bytes);
    return st;
}
