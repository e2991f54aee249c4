#include "data/h5.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "data/h5_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 16 };

static const struct {
    size_t bytes;
    const char *name;
} types[] = {
    [FUT_H5_U8] = {1, "u8"},   [FUT_H5_U32] = {4, "u32"}, [FUT_H5_U64] = {8, "u64"},
    [FUT_H5_I64] = {8, "i64"}, [FUT_H5_F32] = {4, "f32"}, [FUT_H5_F64] = {8, "f64"},
};

size_t fut_h5_type_bytes(fut_h5_type type)
{
    return types[type].bytes;
}

const char *fut_h5_type_name(fut_h5_type type)
{
    return types[type].name;
}

hid_t fut_h5_file_type(fut_h5_type type)
{
    switch (type) {
    case FUT_H5_U8:
        return H5T_STD_U8LE;
    case FUT_H5_U32:
        return H5T_STD_U32LE;
    case FUT_H5_U64:
        return H5T_STD_U64LE;
    case FUT_H5_I64:
        return H5T_STD_I64LE;
    case FUT_H5_F32:
        return H5T_IEEE_F32LE;
    default:
        return H5T_IEEE_F64LE;
    }
}

hid_t fut_h5_memory_type(fut_h5_type type)
{
    switch (type) {
    case FUT_H5_U8:
        return H5T_NATIVE_UINT8;
    case FUT_H5_U32:
        return H5T_NATIVE_UINT32;
    case FUT_H5_U64:
        return H5T_NATIVE_UINT64;
    case FUT_H5_I64:
        return H5T_NATIVE_INT64;
    case FUT_H5_F32:
        return H5T_NATIVE_FLOAT;
    default:
        return H5T_NATIVE_DOUBLE;
    }
}

/* ---- errors ---- */

static herr_t innermost(unsigned n, const H5E_error2_t *error, void *context)
{
    (void)n;
    *(const char **)context = error->desc;
    return 1; /* the first one walking upward is the cause */
}

fut_status fut_h5_fail(const fut_h5 *h5, const char *doing, const char *name)
{
    int error_number = errno;
    const char *why = "unknown reason";
    bool is_full = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
    fut_status st = FUT_ERR_DATA;
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, &why);
    if (h5->writing) {
        char text[128];
        st = is_full ? FUT_ERR_CANT_CREATE : FUT_ERR_IO;
        if (is_full || error_number == EIO) why = strerror_r(error_number, text, sizeof text);
        st = FUT_FAIL(st, "%s: cannot %s %s: %s", h5->path, doing, name, why);
    } else {
        st = FUT_FAIL(st, "%s: cannot %s %s: HDF5: %s", h5->path, doing, name, why);
    }
    (void)H5Eclear2(H5E_DEFAULT);
    return st;
}

void fut_h5_enter(void)
{
    /* Counts before the library's first call only. Its clean-up at exit crashes on a file that a full disk kept it from closing, and has
     * nothing to do for us: files are closed when they are done with. */
    (void)H5dont_atexit();
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    errno = 0;
}

/* ---- open and close ---- */

static fut_status h5_new(const char *path, bool writing, fut_h5 **h5_out)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    FUT_TRY(FUT_NEW(&h5));
    h5->file = NO_ID;
    h5->writing = writing;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(strlen(path) + 1, &h5->path), out);
    memcpy(h5->path, path, strlen(path) + 1);
    *h5_out = h5;
    h5 = NULL;
out:
    fut_h5_close(&h5);
    return st;
}

fut_status fut_h5_create(const char *path, fut_h5 **h5_out)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    hid_t access = NO_ID;
    hid_t create = NO_ID;
    fut_h5_enter();
    FUT_TRY(h5_new(path, true, &h5));
    access = H5Pcreate(H5P_FILE_ACCESS);
    create = H5Pcreate(H5P_FILE_CREATE);
    /* Times are not kept, so that equal content makes equal bytes. Format bounds: metadata with checksums, readable by 1.10 and later. */
    if (access < 0 || create < 0 || H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110) < 0 ||
        H5Pset_userblock(create, FUT_H5_SEAL_BYTES) < 0 || H5Pset_obj_track_times(create, false) < 0 ||
        (h5->file = H5Fcreate(path, H5F_ACC_TRUNC, create, access)) < 0) {
        st = errno != 0 ? fut_file_errno("create", path, errno) : fut_h5_fail(h5, "create", "the file");
        goto out;
    }
    *h5_out = h5;
    h5 = NULL;
out:
    if (access >= 0) (void)H5Pclose(access);
    if (create >= 0) (void)H5Pclose(create);
    fut_h5_close(&h5);
    return st;
}

fut_status fut_h5_finish(fut_h5 **h5)
{
    fut_status st = FUT_OK;
    fut_h5_enter();
    /* Closing reports success on a full disk; flushing does not. */
    if (H5Fflush((*h5)->file, H5F_SCOPE_LOCAL) < 0) {
        st = fut_h5_fail(*h5, "flush", "the file");
        goto out;
    }
    herr_t closed = H5Fclose((*h5)->file);
    (*h5)->file = NO_ID;
    if (closed < 0) {
        st = fut_h5_fail(*h5, "close", "the file");
        goto out;
    }
    FUT_TRY_GOTO(fut_h5_seal_write((*h5)->path, (*h5)->payload), out);
out:
    fut_h5_close(h5);
    return st;
}

fut_status fut_h5_open(const char *path, fut_h5 **h5_out)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    hid_t access = NO_ID;
    int64_t file_bytes = 0;
    FUT_TRY(fut_h5_seal_check(path, &file_bytes));
    fut_h5_enter();
    FUT_TRY(h5_new(path, false, &h5));
    h5->file_bytes = file_bytes;
    access = H5Pcreate(H5P_FILE_ACCESS);
    /* Locks fail on some network file systems, and a finished file is never written again. */
    if (access < 0 || H5Pset_file_locking(access, false, true) < 0 || (h5->file = H5Fopen(path, H5F_ACC_RDONLY, access)) < 0) {
        st = fut_h5_fail(h5, "open", "the file");
        goto out;
    }
    *h5_out = h5;
    h5 = NULL;
out:
    if (access >= 0) (void)H5Pclose(access);
    fut_h5_close(&h5);
    return st;
}

void fut_h5_close(fut_h5 **h5)
{
    if (*h5 == NULL) return;
    fut_h5_enter();
    if ((*h5)->file >= 0) (void)H5Fclose((*h5)->file);
    fut_mem_free((*h5)->path);
    fut_mem_free(*h5);
    *h5 = NULL;
}

/* ---- paths ---- */

fut_status fut_h5_each_prefix(fut_h5 *h5, const char *name, bool whole, fut_status (*step)(fut_h5 *h5, const char *prefix))
{
    char prefix[FUT_H5_NAME_MAX + 1];
    size_t length = strlen(name);
    FUT_CHECK(name[0] == '/' && length <= FUT_H5_NAME_MAX, FUT_ERR_INTERNAL, "\"%s\" is not an absolute HDF5 path of at most %d bytes",
              name, FUT_H5_NAME_MAX);
    int depth = 0;
    for (size_t i = 1; i <= length; i++) {
        if (name[i] != '/' && name[i] != '\0') continue;
        if (i == 1 || (name[i] == '\0' && !whole)) continue;
        FUT_CHECK(++depth <= DEPTH_MAX, FUT_ERR_INTERNAL, "%s: more than %d groups deep", name, DEPTH_MAX);
        memcpy(prefix, name, i);
        prefix[i] = '\0';
        FUT_TRY(step(h5, prefix));
    }
    return FUT_OK;
}

fut_status fut_h5_make_group(fut_h5 *h5, const char *name)
{
    if (H5Lexists(h5->file, name, H5P_DEFAULT) > 0) return FUT_OK;
    hid_t create = H5Pcreate(H5P_GROUP_CREATE);
    hid_t group = NO_ID;
    if (create >= 0 && H5Pset_obj_track_times(create, false) >= 0) group = H5Gcreate2(h5->file, name, H5P_DEFAULT, create, H5P_DEFAULT);
    fut_status st = group < 0 ? fut_h5_fail(h5, "create", name) : FUT_OK;
    if (group >= 0) (void)H5Gclose(group);
    if (create >= 0) (void)H5Pclose(create);
    return st;
}

fut_status fut_h5_check_link(fut_h5 *h5, const char *name)
{
    H5L_info_t link;
    htri_t exists = H5Lexists(h5->file, name, H5P_DEFAULT);
    if (exists < 0) return fut_h5_fail(h5, "look up", name);
    FUT_CHECK(exists > 0, FUT_ERR_DATA, "%s: %s is missing", h5->path, name);
    if (H5Lget_info(h5->file, name, &link, H5P_DEFAULT) < 0) return fut_h5_fail(h5, "look up", name);
    FUT_CHECK(link.type == H5L_TYPE_HARD, FUT_ERR_DATA, "%s: %s is a link, which is not accepted", h5->path, name);
    return FUT_OK;
}

bool fut_h5_has(fut_h5 *h5, const char *name)
{
    fut_h5_enter();
    char prefix[FUT_H5_NAME_MAX + 1];
    size_t length = strlen(name);
    if (strcmp(name, "/") == 0) return true;
    if (name[0] != '/' || length > FUT_H5_NAME_MAX) return false;
    /* H5Lexists fails where a group on the way is missing, so each is asked for. */
    for (size_t i = 2; i <= length; i++) {
        if (name[i] != '/' && name[i] != '\0') continue;
        memcpy(prefix, name, i);
        prefix[i] = '\0';
        if (H5Lexists(h5->file, prefix, H5P_DEFAULT) <= 0) return false;
    }
    return true;
}

/* ---- writing ---- */

hid_t fut_h5_new_space(int rank, const int64_t *dims)
{
    hsize_t extent[FUT_H5_RANK_MAX];
    for (int i = 0; i < rank; i++)
        extent[i] = (hsize_t)dims[i];
    return rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, extent, NULL);
}

/* A contiguous dataset, space allocated at once and not filled. *dataset_out < 0 on error. */
static fut_status create_dataset(fut_h5 *h5, const char *name, fut_h5_type type, int rank, const int64_t *dims, hid_t *dataset_out)
{
    fut_status st = FUT_OK;
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = fut_h5_new_space(rank, dims);
    hid_t dataset = NO_ID;
    FUT_TRY_GOTO(fut_h5_each_prefix(h5, name, false, fut_h5_make_group), out);
    if (create < 0 || space < 0 || H5Pset_layout(create, H5D_CONTIGUOUS) < 0 || H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY) < 0 ||
        H5Pset_fill_time(create, H5D_FILL_TIME_NEVER) < 0 || H5Pset_obj_track_times(create, false) < 0 ||
        (dataset = H5Dcreate2(h5->file, name, fut_h5_file_type(type), space, H5P_DEFAULT, create, H5P_DEFAULT)) < 0)
        st = fut_h5_fail(h5, "create", name);
out:
    if (space >= 0) (void)H5Sclose(space);
    if (create >= 0) (void)H5Pclose(create);
    *dataset_out = dataset;
    return st;
}

fut_status fut_h5_write(fut_h5 *h5, const char *name, fut_h5_type type, int rank, const int64_t *dims, const void *data)
{
    fut_status st = FUT_OK;
    hid_t dataset = NO_ID;
    int64_t count = 1;
    FUT_CHECK(rank >= 0 && rank <= FUT_H5_RANK_MAX, FUT_ERR_INTERNAL, "%s: rank %d", name, rank);
    for (int i = 0; i < rank; i++)
        count *= dims[i];
    fut_h5_enter();
    FUT_TRY_GOTO(create_dataset(h5, name, type, rank, dims, &dataset), out);
    if (count > 0 && H5Dwrite(dataset, fut_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        st = fut_h5_fail(h5, "write", name);
out:
    /* Small data stand in a buffer of the library until here. */
    if (dataset >= 0 && H5Dclose(dataset) < 0 && st == FUT_OK) st = fut_h5_fail(h5, "write", name);
    return st;
}

fut_status fut_h5_payload_reserve(fut_h5 *h5, const char *name, int rank, const int64_t *dims, int64_t *offset_out)
{
    fut_status st = FUT_OK;
    hid_t dataset = NO_ID;
    FUT_CHECK(h5->payload_rank == 0 && strlen(name) <= FUT_H5_NAME_MAX, FUT_ERR_INTERNAL, "%s: one payload a file", name);
    fut_h5_enter();
    FUT_TRY_GOTO(create_dataset(h5, name, FUT_H5_U8, rank, dims, &dataset), out);
    haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF) {
        st = fut_h5_fail(h5, "place", name);
        goto out;
    }
    (void)snprintf(h5->payload_name, sizeof h5->payload_name, "%s", name);
    h5->payload_rank = rank;
    h5->payload = (fut_h5_range){.offset = (int64_t)offset, .bytes = (int64_t)H5Dget_storage_size(dataset)};
    *offset_out = h5->payload.offset;
out:
    if (dataset >= 0) (void)H5Dclose(dataset);
    return st;
}

fut_status fut_h5_payload_trim(fut_h5 *h5, const int64_t *dims)
{
    fut_status st = FUT_OK;
    hid_t dataset = NO_ID;
    fut_h5_enter();
    if (H5Ldelete(h5->file, h5->payload_name, H5P_DEFAULT) < 0) return fut_h5_fail(h5, "trim", h5->payload_name);
    FUT_TRY_GOTO(create_dataset(h5, h5->payload_name, FUT_H5_U8, h5->payload_rank, dims, &dataset), out);
    FUT_CHECK_GOTO(H5Dget_offset(dataset) == (haddr_t)h5->payload.offset, FUT_ERR_INTERNAL, out,
                   "%s: HDF5 moved %s from byte %lld while trimming it", h5->path, h5->payload_name, (long long)h5->payload.offset);
    h5->payload.bytes = (int64_t)H5Dget_storage_size(dataset);
out:
    if (dataset >= 0) (void)H5Dclose(dataset);
    return st;
}

/* ---- reading ---- */

static fut_status read_type(const fut_h5 *h5, hid_t dataset, const char *name, fut_h5_type *type_out)
{
    hid_t type = H5Dget_type(dataset);
    if (type < 0) return fut_h5_fail(h5, "read the type of", name);
    int found = -1;
    for (int i = FUT_H5_U8; i <= FUT_H5_F64 && found < 0; i++)
        if (H5Tequal(type, fut_h5_file_type((fut_h5_type)i)) > 0) found = i;
    (void)H5Tclose(type);
    FUT_CHECK(found >= 0, FUT_ERR_DATA, "%s: %s has a type that futago does not write", h5->path, name);
    *type_out = (fut_h5_type)found;
    return FUT_OK;
}

static fut_status read_shape(const fut_h5 *h5, hid_t dataset, const char *name, fut_h5_info *info)
{
    hsize_t dims[FUT_H5_RANK_MAX] = {0};
    hid_t space = H5Dget_space(dataset);
    if (space < 0) return fut_h5_fail(h5, "read the shape of", name);
    H5S_class_t class = H5Sget_simple_extent_type(space);
    int rank = H5Sget_simple_extent_ndims(space);
    bool simple = (class == H5S_SCALAR || class == H5S_SIMPLE) && rank >= 0 && rank <= FUT_H5_RANK_MAX &&
                  H5Sget_simple_extent_dims(space, dims, NULL) == rank;
    (void)H5Sclose(space);
    FUT_CHECK(simple, FUT_ERR_DATA, "%s: %s has no shape of at most %d dimensions", h5->path, name, FUT_H5_RANK_MAX);
    info->rank = rank;
    info->count = 1;
    for (int i = 0; i < rank; i++) {
        info->dims[i] = (int64_t)dims[i];
        FUT_CHECK(dims[i] <= INT64_MAX && !__builtin_mul_overflow(info->count, info->dims[i], &info->count), FUT_ERR_DATA,
                  "%s: %s has an impossible shape", h5->path, name);
    }
    FUT_CHECK(!__builtin_mul_overflow(info->count, (int64_t)types[info->type].bytes, &info->bytes), FUT_ERR_DATA,
              "%s: %s has an impossible shape", h5->path, name);
    return FUT_OK;
}

/* Contiguous, unfiltered, inside this file, and the bytes are there. */
static fut_status check_storage(const fut_h5 *h5, hid_t dataset, const char *name, fut_h5_info *info)
{
    hid_t create = H5Dget_create_plist(dataset);
    if (create < 0) return fut_h5_fail(h5, "read the layout of", name);
    bool plain = H5Pget_layout(create) == H5D_CONTIGUOUS && H5Pget_nfilters(create) == 0 && H5Pget_external_count(create) == 0;
    (void)H5Pclose(create);
    FUT_CHECK(plain, FUT_ERR_DATA, "%s: %s is chunked, compressed or external; futago reads contiguous datasets only", h5->path, name);
    if (info->bytes == 0) return FUT_OK;
    haddr_t offset = H5Dget_offset(dataset);
    int64_t end = 0;
    /* libhdf5 1.10 adds the user block even to "nowhere": an offset inside the block means that nothing was ever stored. */
    FUT_CHECK(offset != HADDR_UNDEF && offset >= FUT_H5_SEAL_BYTES && offset <= INT64_MAX &&
                  !__builtin_add_overflow((int64_t)offset, info->bytes, &end) && end <= h5->file_bytes,
              FUT_ERR_DATA, "%s: %s claims %lld bytes at byte %lld, the file has %lld", h5->path, name, (long long)info->bytes,
              offset == HADDR_UNDEF ? -1LL : (long long)offset, (long long)h5->file_bytes);
    info->offset = (int64_t)offset;
    return FUT_OK;
}

/* *dataset_out < 0 on error. */
static fut_status open_dataset(fut_h5 *h5, const char *name, hid_t *dataset_out, fut_h5_info *info_out)
{
    fut_status st = FUT_OK;
    hid_t object = NO_ID;
    fut_h5_info info = {0};
    *dataset_out = NO_ID;
    FUT_TRY_GOTO(fut_h5_each_prefix(h5, name, true, fut_h5_check_link), out);
    object = H5Oopen(h5->file, name, H5P_DEFAULT);
    if (object < 0) {
        st = fut_h5_fail(h5, "open", name);
        goto out;
    }
    FUT_CHECK_GOTO(H5Iget_type(object) == H5I_DATASET, FUT_ERR_DATA, out, "%s: %s is not a dataset", h5->path, name);
    FUT_TRY_GOTO(read_type(h5, object, name, &info.type), out);
    FUT_TRY_GOTO(read_shape(h5, object, name, &info), out);
    FUT_TRY_GOTO(check_storage(h5, object, name, &info), out);
    *info_out = info;
    *dataset_out = object;
    object = NO_ID;
out:
    if (object >= 0) (void)H5Oclose(object);
    return st;
}

fut_status fut_h5_get_info(fut_h5 *h5, const char *name, fut_h5_info *info_out)
{
    hid_t dataset = NO_ID;
    fut_h5_enter();
    FUT_TRY(open_dataset(h5, name, &dataset, info_out));
    (void)H5Dclose(dataset);
    return FUT_OK;
}

static fut_status shape_text(int rank, const int64_t *dims, char *text, size_t max)
{
    size_t at = (size_t)snprintf(text, max, "[");
    for (int i = 0; i < rank && at < max; i++)
        at += (size_t)snprintf(text + at, max - at, "%s%lld", i == 0 ? "" : ", ", (long long)dims[i]);
    FUT_CHECK(at + 1 < max, FUT_ERR_INTERNAL, "a shape of rank %d is too long to print", rank);
    (void)snprintf(text + at, max - at, "]");
    return FUT_OK;
}

fut_status fut_h5_read(fut_h5 *h5, const char *name, fut_h5_type type, int rank, const int64_t *dims, void *data_out)
{
    fut_status st = FUT_OK;
    fut_h5_info info;
    hid_t dataset = NO_ID;
    fut_h5_enter();
    FUT_TRY(open_dataset(h5, name, &dataset, &info));
    bool same = info.type == type && info.rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = info.dims[i] == dims[i];
    if (!same) {
        char found[256];
        char expected[256];
        FUT_TRY_GOTO(shape_text(info.rank, info.dims, found, sizeof found), out);
        FUT_TRY_GOTO(shape_text(rank, dims, expected, sizeof expected), out);
        st = FUT_FAIL(FUT_ERR_DATA, "%s: %s is %s %s, expected %s %s", h5->path, name, types[info.type].name, found, types[type].name,
                      expected);
        goto out;
    }
    if (info.count > 0 && H5Dread(dataset, fut_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data_out) < 0)
        st = fut_h5_fail(h5, "read", name);
out:
    (void)H5Dclose(dataset);
    return st;
}

fut_status fut_h5_read_array(fut_h5 *h5, const char *name, fut_h5_type type, int64_t count_max, void **data_out, int64_t *count_out)
{
    fut_status st = FUT_OK;
    fut_h5_info info;
    void *data = NULL;
    FUT_TRY(fut_h5_get_info(h5, name, &info));
    FUT_CHECK(info.rank == 1 && info.count <= count_max, FUT_ERR_DATA,
              "%s: %s has %d dimensions and %lld elements, expected 1 and at most %lld", h5->path, name, info.rank, (long long)info.count,
              (long long)count_max);
    FUT_TRY(fut_mem_alloc((size_t)info.count, types[type].bytes, &data));
    FUT_TRY_GOTO(fut_h5_read(h5, name, type, 1, info.dims, data), out);
    *data_out = data;
    *count_out = info.count;
    data = NULL;
out:
    fut_mem_free(data);
    return st;
}

/* ---- listing ---- */

typedef struct listing {
    fut_h5 *h5;
    const char *group;
    fut_h5_each each;
    void *context;
    fut_status st;
} listing;

static fut_status list_member(listing *list, const char *name, const H5L_info_t *link)
{
    H5O_info_t object;
    FUT_CHECK(link->type == H5L_TYPE_HARD, FUT_ERR_DATA, "%s: %s/%s is a link, which is not accepted", list->h5->path, list->group, name);
    hid_t group = H5Gopen2(list->h5->file, list->group, H5P_DEFAULT);
    if (group < 0) return fut_h5_fail(list->h5, "open", list->group);
    herr_t got = H5Oget_info_by_name2(group, name, &object, H5O_INFO_BASIC, H5P_DEFAULT);
    (void)H5Gclose(group);
    if (got < 0) return fut_h5_fail(list->h5, "look up", name);
    FUT_CHECK(object.type == H5O_TYPE_GROUP || object.type == H5O_TYPE_DATASET, FUT_ERR_DATA, "%s: %s/%s is neither group nor dataset",
              list->h5->path, list->group, name);
    return list->each(list->context, name, object.type == H5O_TYPE_GROUP);
}

static herr_t list_step(hid_t group, const char *name, const H5L_info_t *link, void *context)
{
    (void)group;
    listing *list = context;
    list->st = list_member(list, name, link);
    return list->st == FUT_OK ? 0 : 1;
}

fut_status fut_h5_list(fut_h5 *h5, const char *group, fut_h5_each each, void *context)
{
    listing list = {.h5 = h5, .group = group, .each = each, .context = context, .st = FUT_OK};
    if (!fut_h5_has(h5, group)) return FUT_OK;
    FUT_TRY(fut_h5_each_prefix(h5, group, true, fut_h5_check_link));
    herr_t walked = H5Literate_by_name(h5->file, group, H5_INDEX_NAME, H5_ITER_INC, NULL, list_step, &list, H5P_DEFAULT);
    if (list.st != FUT_OK) return list.st;
    return walked < 0 ? fut_h5_fail(h5, "list", group) : FUT_OK;
}
