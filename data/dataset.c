#include "data/dataset.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "data/dataset_impl.h"
#include "data/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fut_dataset {
    fut_dataset_info info;
    fut_dataset_tables tables;
    char *path;
    int fd;
    int64_t data_offset; /* of /images/data in the file */
    int32_t *label;      /* [N] */
    int64_t *first;      /* [C + 1] */
    int64_t *part[FUT_PART_COUNT];
    int64_t n_positive[FUT_PART_COUNT]; /* pairs of the same identity inside the part */
};

/* ---- attributes ---- */

static fut_status read_text(fut_h5 *h5, const char *object, const char *name, char *text_out, size_t max)
{
    fut_str text = {0};
    fut_status st = fut_h5_get_text(h5, object, name, &text);
    if (st == FUT_OK) (void)snprintf(text_out, max, "%s", fut_str_text(&text));
    fut_str_fini(&text);
    return st;
}

/* A text attribute that must be one of `words`. */
static fut_status read_word(fut_h5 *h5, const char *path, const char *object, const char *name, const char *const *words, int *index_out)
{
    char text[32];
    FUT_TRY(read_text(h5, object, name, text, sizeof text));
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) != 0) continue;
        *index_out = i;
        return FUT_OK;
    }
    return FUT_FAIL(FUT_ERR_DATA, "%s: attribute \"%s\" of %s is \"%s\", which this futago does not know", path, name, object, text);
}

static fut_status check_format(fut_h5 *h5, const char *path)
{
    char format[32];
    int64_t version = 0;
    if (!fut_h5_has_attribute(h5, "/", "format")) return FUT_FAIL(FUT_ERR_DATA, "%s: this is not a futago dataset", path);
    FUT_TRY(read_text(h5, "/", "format", format, sizeof format));
    FUT_CHECK(strcmp(format, FUT_DATASET_FORMAT) == 0, FUT_ERR_DATA, "%s: this is a file of format \"%s\", not a dataset (\"%s\")", path,
              format, FUT_DATASET_FORMAT);
    FUT_TRY(fut_h5_get_i64(h5, "/", "version", &version));
    FUT_CHECK(version == FUT_DATASET_VERSION, FUT_ERR_DATA, "%s: dataset version %lld, this futago reads version %d", path,
              (long long)version, FUT_DATASET_VERSION);
    return FUT_OK;
}

static fut_status read_attributes(fut_h5 *h5, const char *path, fut_dataset_info *info)
{
    int encoding = 0;
    int method = 0;
    FUT_TRY(check_format(h5, path));
    FUT_TRY(fut_h5_get_i64(h5, "/", "height", &info->height));
    FUT_TRY(fut_h5_get_i64(h5, "/", "width", &info->width));
    FUT_CHECK(info->height >= 1 && info->height <= FUT_DATASET_SIDE_MAX && info->width >= 1 && info->width <= FUT_DATASET_SIDE_MAX,
              FUT_ERR_DATA, "%s: images of %lld x %lld, sides must be 1 to %d", path, (long long)info->width, (long long)info->height,
              FUT_DATASET_SIDE_MAX);
    FUT_TRY(read_word(h5, path, "/", "encoding", fut_encoding_names, &encoding));
    FUT_TRY(fut_h5_get_f64(h5, "/", "crop", &info->crop, 1));
    FUT_CHECK(info->crop > 0 && info->crop <= 1, FUT_ERR_DATA, "%s: crop %g is outside (0, 1]", path, info->crop);
    FUT_TRY(fut_h5_get_f64(h5, "/", "mean", info->mean, 3));
    FUT_TRY(fut_h5_get_f64(h5, "/", "std", info->std, 3));
    for (int c = 0; c < 3; c++)
        FUT_CHECK(info->mean[c] >= 0 && info->mean[c] <= 1 && info->std[c] >= 0 && info->std[c] <= 1, FUT_ERR_DATA,
                  "%s: mean %g or deviation %g of channel %d is outside [0, 1]", path, info->mean[c], info->std[c], c);
    FUT_TRY(fut_h5_get_u64(h5, "/", "fingerprint", &info->fingerprint));
    FUT_TRY(read_text(h5, "/", "tool_version", info->tool_version, sizeof info->tool_version));
    FUT_TRY(read_text(h5, "/", "created", info->created, sizeof info->created));
    FUT_TRY(read_word(h5, path, FUT_DATASET_SPLIT, "method", fut_split_method_names, &method));
    FUT_TRY(fut_h5_get_f64(h5, FUT_DATASET_SPLIT, "fractions", info->fractions, FUT_PART_COUNT));
    FUT_TRY(fut_h5_get_i64(h5, FUT_DATASET_SPLIT, "seed", &info->split_seed));
    info->encoding = (fut_encoding)encoding;
    info->method = (fut_split_method)method;
    return FUT_OK;
}

/* ---- tables ---- */

static fut_status check_rising(const char *path, const char *name, const uint64_t *offset, int64_t n, uint64_t end, bool strictly)
{
    FUT_CHECK(offset[0] == 0, FUT_ERR_DATA, "%s: %s starts at %llu, must be 0", path, name, (unsigned long long)offset[0]);
    for (int64_t i = 0; i < n; i++)
        FUT_CHECK(offset[i + 1] > offset[i] || (!strictly && offset[i + 1] == offset[i]), FUT_ERR_DATA, "%s: %s does not rise at %lld",
                  path, name, (long long)i);
    FUT_CHECK(offset[n] == end, FUT_ERR_DATA, "%s: %s ends at %llu, must be %llu", path, name, (unsigned long long)offset[n],
              (unsigned long long)end);
    return FUT_OK;
}

/* n strings under the group `name`. */
static fut_status read_strings(fut_h5 *h5, const char *path, const char *name, int64_t n, fut_strings *out)
{
    char bytes_name[64];
    char offset_name[64];
    int64_t n_bytes = 0;
    int64_t dims[1] = {n + 1};
    void *bytes = NULL;
    (void)snprintf(bytes_name, sizeof bytes_name, "%s/bytes", name);
    (void)snprintf(offset_name, sizeof offset_name, "%s/offset", name);
    FUT_TRY(FUT_NEW_ARRAY(n + 1, &out->offset));
    FUT_TRY(fut_h5_read(h5, offset_name, FUT_H5_U64, 1, dims, out->offset));
    FUT_TRY(fut_h5_read_array(h5, bytes_name, FUT_H5_U8, INT64_MAX, &bytes, &n_bytes));
    out->bytes = bytes;
    out->n = n;
    return check_rising(path, offset_name, out->offset, n, (uint64_t)n_bytes, false);
}

/* Number of images and identities, and where the pixels are, from the datasets' shapes. */
static fut_status read_shapes(fut_h5 *h5, fut_dataset *ds, fut_h5_info *data_out)
{
    fut_dataset_info *info = &ds->info;
    fut_h5_info checksum;
    fut_h5_info first;
    FUT_TRY(fut_h5_get_info(h5, FUT_DATASET_DATA, data_out));
    FUT_TRY(fut_h5_get_info(h5, FUT_DATASET_CHECKSUM, &checksum));
    FUT_TRY(fut_h5_get_info(h5, FUT_DATASET_FIRST, &first));
    FUT_CHECK(checksum.count >= 1 && checksum.count <= FUT_DATASET_IMAGES_MAX, FUT_ERR_DATA, "%s: %s has %lld images", ds->path,
              FUT_DATASET_CHECKSUM, (long long)checksum.count);
    info->n_images = checksum.count;
    FUT_CHECK(first.count >= 2 && first.count - 1 <= info->n_images, FUT_ERR_DATA, "%s: %s has %lld identities for %lld images", ds->path,
              FUT_DATASET_FIRST, (long long)first.count - 1, (long long)info->n_images);
    info->n_identities = first.count - 1;
    bool fits = data_out->type == FUT_H5_U8;
    if (info->encoding == FUT_ENCODING_RAW)
        fits = fits && data_out->rank == 4 && data_out->dims[0] == info->n_images && data_out->dims[1] == info->height &&
               data_out->dims[2] == info->width && data_out->dims[3] == 3;
    else
        fits = fits && data_out->rank == 1;
    FUT_CHECK(fits, FUT_ERR_DATA, "%s: %s does not have the shape of %lld %s images of %lld x %lld", ds->path, FUT_DATASET_DATA,
              (long long)info->n_images, fut_encoding_names[info->encoding], (long long)info->width, (long long)info->height);
    ds->data_offset = data_out->offset;
    return FUT_OK;
}

static fut_status read_image_tables(fut_h5 *h5, fut_dataset *ds, int64_t data_bytes)
{
    fut_dataset_tables *t = &ds->tables;
    int64_t n = ds->info.n_images;
    int64_t dims[1] = {n + 1};
    FUT_TRY(FUT_NEW_ARRAY(n + 1, &t->offset));
    FUT_TRY(fut_h5_read(h5, FUT_DATASET_OFFSET, FUT_H5_U64, 1, dims, t->offset));
    FUT_TRY(check_rising(ds->path, FUT_DATASET_OFFSET, t->offset, n, (uint64_t)data_bytes, true));
    if (ds->info.encoding == FUT_ENCODING_RAW) {
        uint64_t image_bytes = (uint64_t)(ds->info.height * ds->info.width * 3);
        for (int64_t i = 0; i < n; i++)
            FUT_CHECK(t->offset[i] == (uint64_t)i * image_bytes, FUT_ERR_DATA, "%s: %s[%lld] is %llu, raw images stand every %llu bytes",
                      ds->path, FUT_DATASET_OFFSET, (long long)i, (unsigned long long)t->offset[i], (unsigned long long)image_bytes);
    }
    dims[0] = n;
    FUT_TRY(FUT_NEW_ARRAY(n, &t->checksum));
    FUT_TRY(fut_h5_read(h5, FUT_DATASET_CHECKSUM, FUT_H5_U64, 1, dims, t->checksum));
    return read_strings(h5, ds->path, FUT_DATASET_SOURCE, n, &t->source);
}

static fut_status read_identity_tables(fut_h5 *h5, fut_dataset *ds)
{
    fut_dataset_tables *t = &ds->tables;
    int64_t c = ds->info.n_identities;
    int64_t dims[1] = {c + 1};
    FUT_TRY(FUT_NEW_ARRAY(c + 1, &t->first));
    FUT_TRY(fut_h5_read(h5, FUT_DATASET_FIRST, FUT_H5_U64, 1, dims, t->first));
    FUT_TRY(check_rising(ds->path, FUT_DATASET_FIRST, t->first, c, (uint64_t)ds->info.n_images, true));
    FUT_TRY(read_strings(h5, ds->path, FUT_DATASET_NAME, c, &t->name));
    FUT_TRY(FUT_NEW_ARRAY(c + 1, &ds->first));
    FUT_TRY(FUT_NEW_ARRAY(ds->info.n_images, &ds->label));
    for (int64_t k = 0; k <= c; k++)
        ds->first[k] = (int64_t)t->first[k];
    for (int64_t k = 0; k < c; k++)
        for (int64_t i = ds->first[k]; i < ds->first[k + 1]; i++)
            ds->label[i] = (int32_t)k;
    return FUT_OK;
}

/* Indices in range, no image in two parts. */
static fut_status read_split(fut_h5 *h5, fut_dataset *ds)
{
    fut_status st = FUT_OK;
    uint8_t *seen = NULL;
    int64_t *count = NULL; /* of this part's images of an identity */
    FUT_TRY_GOTO(FUT_NEW_ARRAY(ds->info.n_images, &seen), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(ds->info.n_identities, &count), out);
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        char name[32];
        void *index = NULL;
        (void)snprintf(name, sizeof name, "%s/%s", FUT_DATASET_SPLIT, fut_part_names[part]);
        int64_t *n = &ds->tables.n_part[part];
        FUT_TRY_GOTO(fut_h5_read_array(h5, name, FUT_H5_U32, ds->info.n_images, &index, n), out);
        ds->tables.part[part] = index;
        FUT_TRY_GOTO(FUT_NEW_ARRAY(*n, &ds->part[part]), out);
        memset(count, 0, (size_t)ds->info.n_identities * sizeof *count);
        for (int64_t i = 0; i < *n; i++) {
            int64_t image = ds->tables.part[part][i];
            FUT_CHECK_GOTO(image < ds->info.n_images && seen[image] == 0, FUT_ERR_DATA, out, "%s: %s[%lld] is image %lld, which is %s",
                           ds->path, name, (long long)i, (long long)image,
                           image < ds->info.n_images ? "in the split twice" : "not in the file");
            seen[image] = 1;
            ds->part[part][i] = image;
            ds->n_positive[part] += count[ds->label[image]]++; /* a pair with each one seen before */
        }
    }
out:
    fut_mem_free(count);
    fut_mem_free(seen);
    return st;
}

/* ---- open and close ---- */

fut_status fut_dataset_open(const char *path, fut_dataset **dataset_out)
{
    fut_status st = FUT_OK;
    fut_dataset *ds = NULL;
    fut_h5 *h5 = NULL;
    fut_h5_info data;
    FUT_TRY(FUT_NEW(&ds));
    ds->fd = -1;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(strlen(path) + 1, &ds->path), out);
    memcpy(ds->path, path, strlen(path) + 1);
    FUT_TRY_GOTO(fut_h5_open(path, &h5), out);
    FUT_TRY_GOTO(read_attributes(h5, path, &ds->info), out);
    FUT_TRY_GOTO(read_shapes(h5, ds, &data), out);
    FUT_TRY_GOTO(read_image_tables(h5, ds, data.bytes), out);
    FUT_TRY_GOTO(read_identity_tables(h5, ds), out);
    FUT_TRY_GOTO(read_split(h5, ds), out);
    uint64_t fingerprint = fut_dataset_fingerprint(&ds->info, &ds->tables);
    FUT_CHECK_GOTO(fingerprint == ds->info.fingerprint, FUT_ERR_DATA, out, "%s: its fingerprint is %016llx, its tables give %016llx", path,
                   (unsigned long long)ds->info.fingerprint, (unsigned long long)fingerprint);
    ds->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (ds->fd < 0) {
        st = fut_file_errno("open", path, errno);
        goto out;
    }
    *dataset_out = ds;
    ds = NULL;
out:
    fut_h5_close(&h5);
    fut_dataset_close(&ds);
    return st;
}

void fut_dataset_close(fut_dataset **dataset)
{
    fut_dataset *ds = *dataset;
    if (ds == NULL) return;
    if (ds->fd >= 0) (void)close(ds->fd);
    for (int part = 0; part < FUT_PART_COUNT; part++)
        fut_mem_free(ds->part[part]);
    fut_mem_free(ds->first);
    fut_mem_free(ds->label);
    fut_dataset_tables_fini(&ds->tables);
    fut_mem_free(ds->path);
    fut_mem_free(ds);
    *dataset = NULL;
}

/* ---- what it holds ---- */

const fut_dataset_info *fut_dataset_get_info(const fut_dataset *dataset)
{
    return &dataset->info;
}

const char *fut_dataset_get_path(const fut_dataset *dataset)
{
    return dataset->path;
}

const int32_t *fut_dataset_get_labels(const fut_dataset *dataset)
{
    return dataset->label;
}

const int64_t *fut_dataset_get_first(const fut_dataset *dataset)
{
    return dataset->first;
}

const int64_t *fut_dataset_get_part(const fut_dataset *dataset, fut_part part, int64_t *n_out)
{
    *n_out = dataset->tables.n_part[part];
    return dataset->part[part];
}

static const char *get_string(const fut_strings *strings, int64_t i, size_t *length_out)
{
    *length_out = (size_t)(strings->offset[i + 1] - strings->offset[i]);
    return strings->bytes + strings->offset[i];
}

const char *fut_dataset_get_identity_name(const fut_dataset *dataset, int64_t label, size_t *length_out)
{
    return get_string(&dataset->tables.name, label, length_out);
}

const char *fut_dataset_get_source(const fut_dataset *dataset, int64_t image, size_t *length_out)
{
    return get_string(&dataset->tables.source, image, length_out);
}

void fut_dataset_count_pairs(const fut_dataset *dataset, fut_part part, int64_t *n_positive_out, int64_t *n_negative_out)
{
    int64_t n = dataset->tables.n_part[part];
    *n_positive_out = dataset->n_positive[part];
    *n_negative_out = n * (n - 1) / 2 - dataset->n_positive[part];
}

/* ---- reading ---- */

static fut_status read_bytes(const fut_dataset *ds, int64_t image, uint8_t *bytes)
{
    size_t want = (size_t)(ds->tables.offset[image + 1] - ds->tables.offset[image]);
    int64_t from = ds->data_offset + (int64_t)ds->tables.offset[image];
    size_t done = 0;
    while (done < want) {
        ssize_t got = pread(ds->fd, bytes + done, want - done, from + (int64_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fut_file_errno("read", ds->path, errno);
        FUT_CHECK(got > 0, FUT_ERR_DATA, "%s: the file ends inside image %lld; it was truncated while in use", ds->path, (long long)image);
        done += (size_t)got;
    }
    uint64_t sum = fut_dataset_checksum(bytes, want);
    FUT_CHECK(sum == ds->tables.checksum[image], FUT_ERR_DATA,
              "the stored bytes are damaged: their checksum is %016llx, %016llx was packed", (unsigned long long)sum,
              (unsigned long long)ds->tables.checksum[image]);
    return FUT_OK;
}

/* Say in front of the recorded error which image it was. */
static void name_image(const fut_dataset *ds, int64_t image)
{
    fut_str name = {0};
    size_t length = 0;
    const char *source = fut_dataset_get_source(ds, image, &length);
    if (fut_str_append_escaped(&name, source, length) == FUT_OK)
        fut_trail_context("%s: image %lld (%s)", ds->path, (long long)image, fut_str_text(&name));
    fut_str_fini(&name);
}

fut_status fut_dataset_read(const fut_dataset *dataset, int64_t image, uint8_t *rgb_out)
{
    fut_status st = FUT_OK;
    uint8_t *bytes = NULL;
    FUT_CHECK(image >= 0 && image < dataset->info.n_images, FUT_ERR_INTERNAL, "%s: image %lld of %lld", dataset->path, (long long)image,
              (long long)dataset->info.n_images);
    if (dataset->info.encoding == FUT_ENCODING_RAW) {
        FUT_TRY_GOTO(read_bytes(dataset, image, rgb_out), out);
    } else {
        size_t length = (size_t)(dataset->tables.offset[image + 1] - dataset->tables.offset[image]);
        FUT_TRY_GOTO(FUT_NEW_ARRAY(length, &bytes), out);
        FUT_TRY_GOTO(read_bytes(dataset, image, bytes), out);
        FUT_TRY_GOTO(fut_dataset_render(bytes, length, &dataset->info, rgb_out), out);
    }
out:
    if (st != FUT_OK) name_image(dataset, image);
    fut_mem_free(bytes);
    return st;
}

fut_status fut_dataset_verify(const fut_dataset *dataset, int64_t image)
{
    fut_status st = FUT_OK;
    uint8_t *bytes = NULL;
    size_t length = (size_t)(dataset->tables.offset[image + 1] - dataset->tables.offset[image]);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(length, &bytes), out);
    FUT_TRY_GOTO(read_bytes(dataset, image, bytes), out);
out:
    if (st != FUT_OK) name_image(dataset, image);
    fut_mem_free(bytes);
    return st;
}
