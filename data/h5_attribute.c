#include "core/base/mem.h"
#include "data/h5.h"
#include "data/h5_impl.h"

#include <string.h>

static fut_status set_attribute(fut_h5 *h5, const char *object, const char *name, hid_t stored, hid_t given, hid_t space, const void *value)
{
    fut_status st = FUT_OK;
    hid_t attribute = NO_ID;
    fut_h5_enter();
    if (!fut_h5_has(h5, object)) FUT_TRY_GOTO(fut_h5_each_prefix(h5, object, true, fut_h5_make_group), out);
    if (H5Aexists_by_name(h5->file, object, name, H5P_DEFAULT) > 0) (void)H5Adelete_by_name(h5->file, object, name, H5P_DEFAULT);
    attribute = H5Acreate_by_name(h5->file, object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, given, value) < 0) st = fut_h5_fail(h5, "write attribute", name);
out:
    if (attribute >= 0) (void)H5Aclose(attribute);
    return st;
}

static fut_status set_numbers(fut_h5 *h5, const char *object, const char *name, fut_h5_type type, const void *values, int count)
{
    int64_t dims[1] = {count};
    hid_t space = fut_h5_new_space(count == 1 ? 0 : 1, dims);
    if (space < 0) return fut_h5_fail(h5, "write attribute", name);
    fut_status st = set_attribute(h5, object, name, fut_h5_file_type(type), fut_h5_memory_type(type), space, values);
    (void)H5Sclose(space);
    return st;
}

fut_status fut_h5_set_i64(fut_h5 *h5, const char *object, const char *name, int64_t value)
{
    return set_numbers(h5, object, name, FUT_H5_I64, &value, 1);
}

fut_status fut_h5_set_u64(fut_h5 *h5, const char *object, const char *name, uint64_t value)
{
    return set_numbers(h5, object, name, FUT_H5_U64, &value, 1);
}

fut_status fut_h5_set_f64(fut_h5 *h5, const char *object, const char *name, const double *values, int count)
{
    return set_numbers(h5, object, name, FUT_H5_F64, values, count);
}

fut_status fut_h5_set_text(fut_h5 *h5, const char *object, const char *name, const char *text)
{
    fut_status st = FUT_OK;
    size_t length = strlen(text);
    FUT_CHECK(length <= FUT_H5_TEXT_MAX, FUT_ERR_INTERNAL, "attribute %s: %zu bytes of text, at most %d", name, length, FUT_H5_TEXT_MAX);
    hid_t type = H5Tcopy(H5T_C_S1);
    hid_t space = H5Screate(H5S_SCALAR);
    /* A string type has at least one byte; padding with NULs makes "" one NUL. */
    if (type < 0 || space < 0 || H5Tset_size(type, length == 0 ? 1 : length) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
        H5Tset_cset(type, H5T_CSET_UTF8) < 0)
        st = fut_h5_fail(h5, "write attribute", name);
    else
        st = set_attribute(h5, object, name, type, type, space, text);
    if (space >= 0) (void)H5Sclose(space);
    if (type >= 0) (void)H5Tclose(type);
    return st;
}

bool fut_h5_has_attribute(fut_h5 *h5, const char *object, const char *name)
{
    return fut_h5_has(h5, object) && H5Aexists_by_name(h5->file, object, name, H5P_DEFAULT) > 0;
}

/* Open an attribute and count its elements (rank 0 or 1). *attribute_out < 0 on error. */
static fut_status open_attribute(fut_h5 *h5, const char *object, const char *name, hid_t *attribute_out, int64_t *count_out)
{
    fut_status st = FUT_OK;
    hid_t attribute = NO_ID;
    hid_t space = NO_ID;
    *attribute_out = NO_ID;
    FUT_CHECK(fut_h5_has_attribute(h5, object, name), FUT_ERR_DATA, "%s: attribute \"%s\" of %s is missing", h5->path, name, object);
    FUT_TRY(fut_h5_each_prefix(h5, object, true, fut_h5_check_link));
    attribute = H5Aopen_by_name(h5->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0) space = H5Aget_space(attribute);
    if (space < 0) {
        st = fut_h5_fail(h5, "read attribute", name);
        goto out;
    }
    int rank = H5Sget_simple_extent_ndims(space);
    *count_out = H5Sget_simple_extent_npoints(space);
    FUT_CHECK_GOTO((rank == 0 || rank == 1) && *count_out > 0, FUT_ERR_DATA, out, "%s: attribute \"%s\" of %s has no plain value", h5->path,
                   name, object);
    *attribute_out = attribute;
    attribute = NO_ID;
out:
    if (space >= 0) (void)H5Sclose(space);
    if (attribute >= 0) (void)H5Aclose(attribute);
    return st;
}

static fut_status get_numbers(fut_h5 *h5, const char *object, const char *name, fut_h5_type type, void *values_out, int count)
{
    fut_status st = FUT_OK;
    hid_t attribute = NO_ID;
    hid_t stored = NO_ID;
    int64_t found = 0;
    fut_h5_enter();
    FUT_TRY(open_attribute(h5, object, name, &attribute, &found));
    stored = H5Aget_type(attribute);
    FUT_CHECK_GOTO(stored >= 0 && H5Tequal(stored, fut_h5_file_type(type)) > 0 && found == count, FUT_ERR_DATA, out,
                   "%s: attribute \"%s\" of %s is not %d %s", h5->path, name, object, count, fut_h5_type_name(type));
    if (H5Aread(attribute, fut_h5_memory_type(type), values_out) < 0) st = fut_h5_fail(h5, "read attribute", name);
out:
    if (stored >= 0) (void)H5Tclose(stored);
    (void)H5Aclose(attribute);
    return st;
}

fut_status fut_h5_get_i64(fut_h5 *h5, const char *object, const char *name, int64_t *value_out)
{
    return get_numbers(h5, object, name, FUT_H5_I64, value_out, 1);
}

fut_status fut_h5_get_u64(fut_h5 *h5, const char *object, const char *name, uint64_t *value_out)
{
    return get_numbers(h5, object, name, FUT_H5_U64, value_out, 1);
}

fut_status fut_h5_get_f64(fut_h5 *h5, const char *object, const char *name, double *values_out, int count)
{
    return get_numbers(h5, object, name, FUT_H5_F64, values_out, count);
}

fut_status fut_h5_get_text(fut_h5 *h5, const char *object, const char *name, fut_str *text_out)
{
    fut_status st = FUT_OK;
    hid_t attribute = NO_ID;
    hid_t stored = NO_ID;
    char *text = NULL;
    int64_t count = 0;
    fut_h5_enter();
    FUT_TRY(open_attribute(h5, object, name, &attribute, &count));
    stored = H5Aget_type(attribute);
    size_t bytes = stored < 0 ? 0 : H5Tget_size(stored);
    FUT_CHECK_GOTO(stored >= 0 && H5Tget_class(stored) == H5T_STRING && H5Tis_variable_str(stored) == 0 && count == 1 && bytes > 0 &&
                       bytes <= FUT_H5_TEXT_MAX,
                   FUT_ERR_DATA, out, "%s: attribute \"%s\" of %s is not fixed-length text of at most %d bytes", h5->path, name, object,
                   FUT_H5_TEXT_MAX);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(bytes + 1, &text), out);
    if (H5Aread(attribute, stored, text) < 0) {
        st = fut_h5_fail(h5, "read attribute", name);
        goto out;
    }
    FUT_TRY_GOTO(fut_str_append(text_out, text, strlen(text)), out);
out:
    fut_mem_free(text);
    if (stored >= 0) (void)H5Tclose(stored);
    (void)H5Aclose(attribute);
    return st;
}
