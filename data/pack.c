#include "data/pack.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "data/h5.h"
#include "data/pack_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 128 << 20 };

/* One packing under way. */
typedef struct pack {
    const fut_pack_options *options;
    fut_pack_report *report;
    fut_dataset_info info;
    fut_scan scan;
    fut_pack_item *items; /* photos of the people taking part, in the scan's order; after keep_good only the good ones */
    int64_t n_items;
    int64_t *place_of;  /* [scan people] -> label, -1 = left out */
    const char **names; /* [n_identities] */
    int32_t *labels;    /* [n_items] */
    fut_dataset_tables tables;
    fut_str rejects; /* text of the list */
} pack;

static void pack_fini(pack *p)
{
    for (int64_t i = 0; i < p->n_items; i++)
        fut_mem_free(p->items[i].reason);
    fut_mem_free(p->items);
    fut_mem_free(p->place_of);
    fut_mem_free((void *)p->names);
    fut_mem_free(p->labels);
    fut_dataset_tables_fini(&p->tables);
    fut_str_fini(&p->rejects);
    fut_scan_fini(&p->scan);
}

/* ---- what is left out ---- */

/* The kind of a reason: "damaged PNG" of "damaged PNG: IDAT stream error", "a side is over ..." of "9000 x 1 pixels: a side is over ...".
 * The list has the whole of it. */
static void kind_of_reason(const char *reason, char *kind_out, size_t max)
{
    const char *colon = strstr(reason, ": ");
    bool numbers_first = reason[0] >= '0' && reason[0] <= '9';
    if (colon == NULL)
        (void)snprintf(kind_out, max, "%s", reason);
    else if (numbers_first)
        (void)snprintf(kind_out, max, "%s", colon + 2);
    else
        (void)snprintf(kind_out, max, "%.*s", (int)(colon - reason), reason);
}

static void count_reason(fut_pack_report *report, const char *reason)
{
    int last = FUT_PACK_REASONS_MAX - 1;
    int i = 0;
    fut_pack_reason row = {0};
    kind_of_reason(reason, row.text, sizeof row.text);
    while (i < report->n_reasons && strcmp(report->reason[i].text, row.text) != 0)
        i++;
    if (i >= last) {
        i = last;
        (void)snprintf(row.text, sizeof row.text, "other reasons");
    }
    if (i >= report->n_reasons) report->reason[report->n_reasons++] = row;
    report->reason[i].n++;
}

static fut_status list_left_out(pack *p, const char *path, const char *reason)
{
    FUT_TRY(fut_str_append_escaped(&p->rejects, path, strlen(path)));
    FUT_TRY(fut_str_append(&p->rejects, "\t", 1));
    FUT_TRY(fut_str_append_escaped(&p->rejects, reason, strlen(reason)));
    return fut_str_append(&p->rejects, "\n", 1);
}

static fut_status reject(pack *p, const char *path, const char *reason)
{
    p->report->n_rejected++;
    count_reason(p->report, reason);
    return list_left_out(p, path, reason);
}

static fut_status leave_person_out(pack *p, int64_t person, int64_t n_photos)
{
    char reason[96];
    if (n_photos == 0) {
        p->report->n_people_empty++;
        return list_left_out(p, p->scan.person[person], "person left out: no usable photo");
    }
    p->report->n_people_left_out++;
    p->report->n_images_left_out += n_photos;
    (void)snprintf(reason, sizeof reason, "person left out: %lld photo%s, --min-images %lld", (long long)n_photos, n_photos == 1 ? "" : "s",
                   (long long)p->options->min_images);
    return list_left_out(p, p->scan.person[person], reason);
}

static int by_count(const void *a, const void *b)
{
    const fut_pack_reason *ra = a;
    const fut_pack_reason *rb = b;
    return ra->n < rb->n ? 1 : ra->n > rb->n ? -1 : strcmp(ra->text, rb->text);
}

/* Write the list, or remove an old one that would mislead. */
static fut_status write_rejects(pack *p)
{
    fut_str path = {0};
    fut_status st = FUT_OK;
    if (p->options->rejects != NULL)
        FUT_TRY_GOTO(fut_str_printf(&path, "%s", p->options->rejects), out);
    else
        FUT_TRY_GOTO(fut_str_printf(&path, "%s.rejects.tsv", p->options->output), out);
    if (p->rejects.length == 0) {
        if (p->options->rejects == NULL && p->options->force) (void)unlink(path.data);
        goto out;
    }
    FUT_TRY_GOTO(fut_file_write(path.data, p->rejects.data, p->rejects.length), out);
    (void)snprintf(p->report->rejects, sizeof p->report->rejects, "%s", path.data);
out:
    fut_str_fini(&path);
    return st;
}

/* ---- who takes part ---- */

/* Number the people that have at least min_images (and one) of count[person] photos; list the others. */
static fut_status number_people(pack *p, const int64_t *count)
{
    int64_t least = p->options->min_images > 1 ? p->options->min_images : 1;
    int64_t n = 0;
    for (int64_t k = 0; k < p->scan.n_people; k++) {
        if (p->place_of[k] < 0) continue; /* left out before */
        if (count[k] < least) {
            p->place_of[k] = -1;
            FUT_TRY(leave_person_out(p, k, count[k]));
            continue;
        }
        p->names[n] = p->scan.person[k];
        p->place_of[k] = n++;
    }
    p->info.n_identities = n;
    return FUT_OK;
}

static fut_status check_people(const pack *p)
{
    const char *folder = p->options->folder;
    int64_t n = p->info.n_identities;
    FUT_CHECK(p->scan.n_people > 0 || p->scan.n_beside == 0, FUT_ERR_DATA,
              "%s: %lld files but no sub-folder; put each person's photos in a sub-folder of their own", folder,
              (long long)p->scan.n_beside);
    FUT_CHECK(p->scan.n_people > 0, FUT_ERR_DATA, "%s: the folder is empty; it must hold one sub-folder a person", folder);
    FUT_CHECK(n > 0, FUT_ERR_DATA, "%s: none of %lld people has %lld usable photo%s", folder, (long long)p->scan.n_people,
              (long long)(p->options->min_images > 1 ? p->options->min_images : 1), p->options->min_images > 1 ? "s" : "");
    FUT_CHECK(n > 1, FUT_ERR_DATA, "%s: photos of one person only; telling people apart needs at least two", folder);
    return FUT_OK;
}

/* Items of the people that may take part, by the number of their files: an upper bound of their good photos. */
static fut_status choose_items(pack *p)
{
    fut_status st = FUT_OK;
    int64_t *count = NULL;
    int64_t place = 0;
    int64_t raw_bytes = p->info.height * p->info.width * 3;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(p->scan.n_people, &count), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(p->scan.n_people, &p->place_of), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(p->scan.n_people, &p->names), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(p->scan.n_files, &p->items), out);
    for (int64_t i = 0; i < p->scan.n_skips; i++)
        FUT_TRY_GOTO(reject(p, p->scan.skip[i].path, p->scan.skip[i].reason), out);
    for (int64_t i = 0; i < p->scan.n_files; i++)
        count[p->scan.file[i].person] += p->scan.file[i].bytes <= FILE_BYTES_MAX;
    FUT_TRY_GOTO(number_people(p, count), out);
    FUT_TRY_GOTO(check_people(p), out);
    for (int64_t i = 0; i < p->scan.n_files; i++) {
        const fut_scan_file *file = &p->scan.file[i];
        if (p->place_of[file->person] < 0) continue;
        if (file->bytes > FILE_BYTES_MAX) {
            FUT_TRY_GOTO(reject(p, file->path, "file larger than 128 MiB"), out);
            continue;
        }
        p->items[p->n_items++] = (fut_pack_item){.path = file->path, .person = file->person, .place = place, .bytes = file->bytes};
        place += p->info.encoding == FUT_ENCODING_RAW ? raw_bytes : file->bytes;
    }
    FUT_CHECK_GOTO(p->n_items <= FUT_DATASET_IMAGES_MAX, FUT_ERR_DATA, out, "%s: %lld photos, at most %d fit", p->options->folder,
                   (long long)p->n_items, FUT_DATASET_IMAGES_MAX);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(p->n_items, &p->labels), out);
out:
    fut_mem_free(count);
    return st;
}

/* Drop rejected photos, then people who have too few left. */
static fut_status keep_good(pack *p)
{
    fut_status st = FUT_OK;
    int64_t *count = NULL;
    int64_t n = 0;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(p->scan.n_people, &count), out);
    for (int64_t i = 0; i < p->n_items; i++) {
        if (p->items[i].reason != NULL)
            FUT_TRY_GOTO(reject(p, p->items[i].path, p->items[i].reason), out);
        else
            count[p->items[i].person]++;
    }
    FUT_TRY_GOTO(number_people(p, count), out);
    for (int64_t i = 0; i < p->n_items; i++) {
        if (p->items[i].reason == NULL && p->place_of[p->items[i].person] >= 0)
            p->items[n++] = p->items[i];
        else
            fut_mem_free(p->items[i].reason);
    }
    p->n_items = n;
    p->info.n_images = n;
out:
    fut_mem_free(count);
    return st;
}

static fut_status split_items(pack *p, fut_split *split)
{
    for (int64_t i = 0; i < p->n_items; i++)
        p->labels[i] = (int32_t)p->place_of[p->items[i].person];
    return fut_pack_split(p->options, p->labels, p->n_items, p->names, p->info.n_identities, split);
}

/* ---- tables ---- */

static fut_status store_split(pack *p)
{
    fut_status st = FUT_OK;
    fut_split split = {0};
    FUT_TRY_GOTO(split_items(p, &split), out);
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        FUT_TRY_GOTO(FUT_NEW_ARRAY(split.n[part], &p->tables.part[part]), out);
        p->tables.n_part[part] = split.n[part];
        for (int64_t i = 0; i < split.n[part]; i++)
            p->tables.part[part][i] = (uint32_t)split.index[part][i];
    }
out:
    fut_split_fini(&split);
    return st;
}

/* texts[i], or items[i].path where texts is NULL. */
static fut_status join_strings(const char *const *texts, const fut_pack_item *items, int64_t n, fut_strings *out)
{
    uint64_t length = 0;
    FUT_TRY(FUT_NEW_ARRAY(n + 1, &out->offset));
    out->n = n;
    for (int64_t i = 0; i < n; i++) {
        out->offset[i] = length;
        length += strlen(texts != NULL ? texts[i] : items[i].path);
    }
    out->offset[n] = length;
    FUT_TRY(FUT_NEW_ARRAY(length, &out->bytes));
    for (int64_t i = 0; i < n; i++)
        memcpy(out->bytes + out->offset[i], texts != NULL ? texts[i] : items[i].path, (size_t)(out->offset[i + 1] - out->offset[i]));
    return FUT_OK;
}

static fut_status fill_tables(pack *p)
{
    fut_dataset_tables *t = &p->tables;
    int64_t n = p->n_items;
    FUT_TRY(FUT_NEW_ARRAY(n + 1, &t->offset));
    FUT_TRY(FUT_NEW_ARRAY(n, &t->checksum));
    FUT_TRY(FUT_NEW_ARRAY(p->info.n_identities + 1, &t->first));
    for (int64_t i = 0; i < n; i++) {
        t->offset[i] = (uint64_t)p->items[i].place;
        t->checksum[i] = p->items[i].checksum;
        t->first[p->labels[i] + 1] = (uint64_t)i + 1;
    }
    t->offset[n] = (uint64_t)(p->items[n - 1].place + p->items[n - 1].bytes);
    FUT_TRY(join_strings(NULL, p->items, n, &t->source));
    FUT_TRY(join_strings(p->names, NULL, p->info.n_identities, &t->name));
    p->info.fingerprint = fut_dataset_fingerprint(&p->info, t);
    return FUT_OK;
}

/* Mean and deviation of the train part's pixels, from exact sums. */
static void fill_moments(pack *p)
{
    int64_t n = p->tables.n_part[FUT_PART_TRAIN];
    double n_pixels = (double)(n * p->info.height * p->info.width);
    for (int c = 0; c < 3; c++) {
        uint64_t sum = 0;
        uint64_t sum_squares = 0;
        for (int64_t i = 0; i < n; i++) {
            const fut_pack_item *item = &p->items[p->tables.part[FUT_PART_TRAIN][i]];
            sum += item->sum[c];
            sum_squares += item->sum_squares[c];
        }
        double mean = (double)sum / n_pixels;
        double variance = (double)sum_squares / n_pixels - mean * mean;
        p->info.mean[c] = mean / 255;
        p->info.std[c] = sqrt(variance > 0 ? variance : 0) / 255;
    }
}

typedef struct place {
    uint64_t checksum;
    int64_t person;
} place;

static int by_checksum(const void *a, const void *b)
{
    const place *pa = a;
    const place *pb = b;
    if (pa->checksum != pb->checksum) return pa->checksum < pb->checksum ? -1 : 1;
    return pa->person < pb->person ? -1 : pa->person > pb->person;
}

static fut_status count_duplicates(pack *p)
{
    place *all = NULL;
    FUT_TRY(FUT_NEW_ARRAY(p->n_items, &all));
    for (int64_t i = 0; i < p->n_items; i++)
        all[i] = (place){.checksum = p->items[i].checksum, .person = p->items[i].person};
    qsort(all, (size_t)p->n_items, sizeof *all, by_checksum);
    for (int64_t i = 1; i < p->n_items; i++) {
        if (all[i].checksum != all[i - 1].checksum) continue;
        p->report->n_duplicates++;
        p->report->n_duplicates_across += all[i].person != all[i - 1].person;
    }
    fut_mem_free(all);
    return FUT_OK;
}

/* ---- the file ---- */

static fut_status write_strings(fut_h5 *h5, const char *group, const fut_strings *strings)
{
    char name[64];
    int64_t dims[1] = {strings->n + 1};
    (void)snprintf(name, sizeof name, "%s/offset", group);
    FUT_TRY(fut_h5_write(h5, name, FUT_H5_U64, 1, dims, strings->offset));
    dims[0] = (int64_t)strings->offset[strings->n];
    (void)snprintf(name, sizeof name, "%s/bytes", group);
    return fut_h5_write(h5, name, FUT_H5_U8, 1, dims, strings->bytes);
}

static fut_status write_tables(const pack *p, fut_h5 *h5)
{
    const fut_dataset_tables *t = &p->tables;
    int64_t dims[1] = {p->info.n_images + 1};
    FUT_TRY(fut_h5_write(h5, FUT_DATASET_OFFSET, FUT_H5_U64, 1, dims, t->offset));
    dims[0] = p->info.n_images;
    FUT_TRY(fut_h5_write(h5, FUT_DATASET_CHECKSUM, FUT_H5_U64, 1, dims, t->checksum));
    FUT_TRY(write_strings(h5, FUT_DATASET_SOURCE, &t->source));
    dims[0] = p->info.n_identities + 1;
    FUT_TRY(fut_h5_write(h5, FUT_DATASET_FIRST, FUT_H5_U64, 1, dims, t->first));
    FUT_TRY(write_strings(h5, FUT_DATASET_NAME, &t->name));
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s/%s", FUT_DATASET_SPLIT, fut_part_names[part]);
        FUT_TRY(fut_h5_write(h5, name, FUT_H5_U32, 1, &t->n_part[part], t->part[part]));
    }
    return FUT_OK;
}

static fut_status write_attributes(const pack *p, fut_h5 *h5)
{
    const fut_dataset_info *info = &p->info;
    FUT_TRY(fut_h5_set_text(h5, "/", "format", FUT_DATASET_FORMAT));
    FUT_TRY(fut_h5_set_i64(h5, "/", "version", FUT_DATASET_VERSION));
    FUT_TRY(fut_h5_set_i64(h5, "/", "height", info->height));
    FUT_TRY(fut_h5_set_i64(h5, "/", "width", info->width));
    FUT_TRY(fut_h5_set_text(h5, "/", "encoding", fut_encoding_names[info->encoding]));
    FUT_TRY(fut_h5_set_f64(h5, "/", "crop", &info->crop, 1));
    FUT_TRY(fut_h5_set_f64(h5, "/", "mean", info->mean, 3));
    FUT_TRY(fut_h5_set_f64(h5, "/", "std", info->std, 3));
    FUT_TRY(fut_h5_set_u64(h5, "/", "fingerprint", info->fingerprint));
    FUT_TRY(fut_h5_set_text(h5, "/", "tool_version", info->tool_version));
    FUT_TRY(fut_h5_set_text(h5, "/", "created", info->created));
    FUT_TRY(fut_h5_set_text(h5, FUT_DATASET_SPLIT, "method", fut_split_method_names[info->method]));
    FUT_TRY(fut_h5_set_f64(h5, FUT_DATASET_SPLIT, "fractions", info->fractions, FUT_PART_COUNT));
    return fut_h5_set_i64(h5, FUT_DATASET_SPLIT, "seed", info->split_seed);
}

/* Shape of /images/data for n images that end at byte `end`. */
static int payload_shape(const fut_dataset_info *info, int64_t n, int64_t end, int64_t dims[4])
{
    if (info->encoding == FUT_ENCODING_ORIGINAL) {
        dims[0] = end;
        return 1;
    }
    dims[0] = n;
    dims[1] = info->height;
    dims[2] = info->width;
    dims[3] = 3;
    return 4;
}

/* Allocate the payload's upper bound on the disk: a full disk shows now, not hours later. */
static fut_status reserve_payload(const pack *p, fut_h5 *h5, const char *path, int *fd_out, int64_t *offset_out)
{
    int64_t dims[4];
    const fut_pack_item *last = &p->items[p->n_items - 1];
    int64_t room = last->place + (p->info.encoding == FUT_ENCODING_RAW ? p->info.height * p->info.width * 3 : last->bytes);
    int rank = payload_shape(&p->info, p->n_items, room, dims);
    FUT_TRY(fut_h5_payload_reserve(h5, FUT_DATASET_DATA, rank, dims, offset_out));
    *fd_out = open(path, O_RDWR | O_CLOEXEC);
    if (*fd_out < 0) return fut_file_errno("open", path, errno);
    int error_number = posix_fallocate(*fd_out, *offset_out, room);
    if (error_number == 0) return FUT_OK;
    FUT_TRY(fut_file_errno("make room in", p->options->output, error_number));
    return FUT_OK;
}

/* Decode everything into the file's payload and put the tables beside it. */
static fut_status write_file(pack *p, const char *path)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    int fd = -1;
    int64_t offset = 0;
    int64_t dims[4];
    FUT_TRY_GOTO(fut_h5_create(path, &h5), out);
    FUT_TRY_GOTO(reserve_payload(p, h5, path, &fd, &offset), out);
    FUT_TRY_GOTO(fut_pack_images(p->options, &p->info, fd, offset, p->items, p->n_items), out);
    FUT_TRY_GOTO(keep_good(p), out);
    FUT_TRY_GOTO(write_rejects(p), out);
    FUT_TRY_GOTO(check_people(p), out);
    FUT_TRY_GOTO(fut_pack_compact(p->options->output, fd, offset, p->items, p->n_items), out);
    FUT_TRY_GOTO(store_split(p), out);
    FUT_TRY_GOTO(fill_tables(p), out);
    fill_moments(p);
    FUT_TRY_GOTO(count_duplicates(p), out);
    (void)payload_shape(&p->info, p->n_items, (int64_t)p->tables.offset[p->n_items], dims);
    FUT_TRY_GOTO(fut_h5_payload_trim(h5, dims), out);
    FUT_TRY_GOTO(write_tables(p, h5), out);
    FUT_TRY_GOTO(write_attributes(p, h5), out);
    FUT_TRY_GOTO(fut_h5_finish(&h5), out);
out:
    if (fd >= 0 && close(fd) != 0 && st == FUT_OK) st = fut_file_errno("close", path, errno);
    fut_h5_close(&h5);
    return st;
}

static fut_status check_options(const fut_pack_options *o)
{
    FUT_CHECK(o->size >= 1 && o->size <= FUT_DATASET_SIDE_MAX, FUT_ERR_CONFIG, "size %lld is outside 1 to %d pixels", (long long)o->size,
              FUT_DATASET_SIDE_MAX);
    FUT_CHECK(o->crop > 0 && o->crop <= 1, FUT_ERR_CONFIG, "crop %g is outside (0, 1]", o->crop);
    FUT_CHECK(o->force || !fut_file_exists(o->output), FUT_ERR_CANT_CREATE, "%s: the file exists; --force replaces it", o->output);
    return FUT_OK;
}

static void fill_info(const fut_pack_options *o, fut_dataset_info *info)
{
    info->height = o->size;
    info->width = o->size;
    info->encoding = o->encoding;
    info->crop = o->crop;
    info->method = o->method;
    memcpy(info->fractions, o->fractions, sizeof info->fractions);
    info->split_seed = o->seed;
    (void)snprintf(info->tool_version, sizeof info->tool_version, "%s", FUT_VERSION);
    fut_clock_utc(info->created, sizeof info->created);
}

fut_status fut_pack(const fut_pack_options *options, fut_pack_report *report_out)
{
    fut_status st = FUT_OK;
    pack p = {.options = options, .report = report_out};
    fut_file_atomic file = {0};
    fut_dataset *check = NULL;
    fut_split trial = {0};
    double started = fut_clock_now();
    *report_out = (fut_pack_report){0};
    FUT_TRY(check_options(options));
    fill_info(options, &p.info);
    FUT_TRY_GOTO(fut_scan_folder(options->folder, options->follow_links, &p.scan), out);
    FUT_TRY_GOTO(choose_items(&p), out);
    /* Most refusals show from the number of files; hours of decoding later would be too late. */
    FUT_TRY_GOTO(split_items(&p, &trial), out);
    FUT_TRY_GOTO(fut_file_begin(options->output, &file), out);
    FUT_TRY_GOTO(write_file(&p, file.temporary), out);
    /* What a reader will see, before it gets its name. */
    FUT_TRY_GOTO(fut_dataset_open(file.temporary, &check), out);
    FUT_TRY_GOTO(fut_file_commit(&file), out);
    report_out->n_files = p.scan.n_files;
    report_out->n_images = p.info.n_images;
    report_out->n_people = p.info.n_identities;
    report_out->n_beside = p.scan.n_beside;
    report_out->seconds = fut_clock_now() - started;
    if (report_out->n_reasons > 1) qsort(report_out->reason, (size_t)report_out->n_reasons, sizeof report_out->reason[0], by_count);
out:
    fut_split_fini(&trial);
    fut_dataset_close(&check);
    fut_file_abandon(&file);
    pack_fini(&p);
    return st;
}
