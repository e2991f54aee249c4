/* From a folder of photos to one packed file.
 *
 *     scan -> try the split -> decode, resize, checksum (threads, each writing at its photo's place) -> close the gaps of rejected
 *     photos -> split -> tables -> read back -> rename
 *
 * A photo's place is known before it is decoded, so threads need no queue and no order between them, the file is the same for any number
 * of threads, and memory is one photo a thread. */
#ifndef FUT_DATA_PACK_H
#define FUT_DATA_PACK_H

#include "core/base/status.h"
#include "data/dataset.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_pack_options {
    const char *folder;
    const char *output;
    const char *rejects; /* list of what was left out; NULL = "<output>.rejects.tsv". Written only when something was. */
    int64_t size;        /* pixels a side */
    fut_encoding encoding;
    double crop; /* centred fraction of each side; 1 = whole */
    fut_split_method method;
    double fractions[FUT_PART_COUNT];
    uint32_t seed;
    int64_t min_images; /* people with fewer good photos are left out */
    int threads;        /* 0 = one a core */
    bool force;         /* replace output */
    bool follow_links;
} fut_pack_options;

enum { FUT_PACK_REASONS_MAX = 12 };

/* A reason for leaving a file out, and how many it met. */
typedef struct fut_pack_reason {
    char text[160];
    int64_t n;
} fut_pack_reason;

typedef struct fut_pack_report {
    int64_t n_files;             /* photos tried or left out before trying */
    int64_t n_images, n_people;  /* packed */
    int64_t n_rejected;          /* files that are no usable photo, skipped links, unreadable folders */
    int64_t n_people_left_out;   /* fewer than min_images */
    int64_t n_images_left_out;   /* their photos */
    int64_t n_people_empty;      /* folders without a usable photo */
    int64_t n_beside;            /* files beside the people's folders */
    int64_t n_duplicates;        /* photos with the same stored bytes as an earlier one ... */
    int64_t n_duplicates_across; /* ... of another person */
    double seconds;
    int n_reasons; /* commonest first; what does not fit the table is counted as "other reasons" */
    fut_pack_reason reason[FUT_PACK_REASONS_MAX];
    char rejects[4096]; /* the list's path, "" if none was written */
} fut_pack_report;

/* Errors: FUT_ERR_NO_INPUT (no folder, no people), FUT_ERR_DATA (nothing usable, one person, the split is refused: the message names people
 * and choices), FUT_ERR_CANT_CREATE (output exists, disk full), FUT_ERR_PERMISSION, FUT_ERR_CONFIG (fractions). On error nothing is left
 * under the output's name, or what was there before. Threads: starts its own; one call at a time. */
fut_status fut_pack(const fut_pack_options *options, fut_pack_report *report_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
