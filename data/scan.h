/* The photos of a folder, in the order of torchvision's ImageFolder.
 *
 *     DIR/Anna/1.jpg          people: the sub-folders of DIR, sorted by the bytes of their names
 *     DIR/Anna/2.jpg          photos of a person: folders sorted by path, then files by name: what sorted(os.walk()) gives
 *     DIR/Anna/old/1.jpg
 *     DIR/readme.txt          files beside the people belong to nobody; counted
 *
 * Names are bytes; nothing is decoded, folded or sorted by locale. A photo is any file: what it holds decides, not its name.
 * Symbolic links below DIR are listed as skipped unless follow_links; then a link to a folder that is being walked already is skipped, so
 * a loop ends. Pipes, sockets and devices are always skipped and never opened. */
#ifndef FUT_DATA_SCAN_H
#define FUT_DATA_SCAN_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_scan_file {
    const char *path; /* below DIR: "Anna/old/1.jpg" */
    int64_t person;   /* place in fut_scan.person */
    int64_t bytes;    /* as stat says */
} fut_scan_file;

typedef struct fut_scan_skip {
    const char *path;   /* below DIR */
    const char *reason; /* a constant */
} fut_scan_skip;

/* {0} is empty. Owns everything, fut_scan_fini. */
typedef struct fut_scan {
    char *root;
    fut_scan_file *file;
    int64_t n_files;
    const char **person; /* names of all sub-folders, with or without photos */
    int64_t n_people;
    fut_scan_skip *skip;
    int64_t n_skips;
    int64_t n_beside; /* files directly in DIR */

    int64_t file_capacity, person_capacity, skip_capacity;
    char **text; /* every path above */
    int64_t n_text, text_capacity;
} fut_scan;

/* Walk `root`. It may itself be a link. Owns: *scan_out, release with fut_scan_fini.
 * Errors: FUT_ERR_NO_INPUT (missing, not a folder), FUT_ERR_PERMISSION, FUT_ERR_IO, FUT_ERR_NO_MEMORY. A sub-folder that cannot be read is
 * listed as skipped. */
fut_status fut_scan_folder(const char *root, bool follow_links, fut_scan *scan_out) FUT_MUST_CHECK;
void fut_scan_fini(fut_scan *scan);

#ifdef __cplusplus
}
#endif

#endif
