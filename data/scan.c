#include "data/scan.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64 };

/* ---- growing lists ---- */

static fut_status make_room(void **list, int64_t n, int64_t *capacity, size_t size)
{
    if (n < *capacity) return FUT_OK;
    int64_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    FUT_TRY(fut_mem_grow(list, (size_t)*capacity, (size_t)wanted, size));
    *capacity = wanted;
    return FUT_OK;
}

/* Grow the list so that one more element fits. */
#define MAKE_ROOM(list, n, capacity)                                                                                                       \
    do {                                                                                                                                   \
        void *block_ = (void *)(list);                                                                                                     \
        FUT_TRY(make_room(&block_, (n), &(capacity), sizeof *(list)));                                                                     \
        (list) = block_;                                                                                                                   \
    } while (0)

/* "folder/name", or name where folder is "". Owned by the scan. */
static fut_status keep_path(fut_scan *scan, const char *folder, const char *name, const char **path_out)
{
    size_t folder_length = strlen(folder);
    size_t name_length = strlen(name);
    char *path = NULL;
    MAKE_ROOM(scan->text, scan->n_text, scan->text_capacity);
    FUT_TRY(FUT_NEW_ARRAY(folder_length + name_length + 2, &path));
    scan->text[scan->n_text++] = path;
    memcpy(path, folder, folder_length);
    if (folder_length > 0) path[folder_length++] = '/';
    memcpy(path + folder_length, name, name_length + 1);
    *path_out = path;
    return FUT_OK;
}

static fut_status add_file(fut_scan *scan, const char *path, int64_t person, int64_t bytes)
{
    MAKE_ROOM(scan->file, scan->n_files, scan->file_capacity);
    scan->file[scan->n_files++] = (fut_scan_file){.path = path, .person = person, .bytes = bytes};
    return FUT_OK;
}

static fut_status add_skip(fut_scan *scan, const char *path, const char *reason)
{
    MAKE_ROOM(scan->skip, scan->n_skips, scan->skip_capacity);
    scan->skip[scan->n_skips++] = (fut_scan_skip){.path = path, .reason = reason};
    return FUT_OK;
}

static fut_status add_person(fut_scan *scan, const char *name)
{
    MAKE_ROOM(scan->person, scan->n_people, scan->person_capacity);
    scan->person[scan->n_people++] = name;
    return FUT_OK;
}

/* ---- one folder ---- */

typedef struct entry {
    const char *name;
    const char *path;
    const char *reason; /* why it is skipped, or NULL */
    bool is_folder;
    int64_t bytes;
} entry;

typedef struct folder {
    entry *entry;
    int64_t n, capacity;
} folder;

/* The folders from a person's down to the one being read: what a followed link must not lead back to. */
typedef struct trail {
    dev_t device[DEPTH_MAX];
    ino_t inode[DEPTH_MAX];
    int depth;
} trail;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static bool is_on_trail(const trail *t, const struct stat *info)
{
    for (int i = 0; i < t->depth; i++)
        if (t->device[i] == info->st_dev && t->inode[i] == info->st_ino) return true;
    return false;
}

/* What is `name` in the folder behind fd? */
static void classify(int fd, const trail *t, bool follow_links, entry *e)
{
    struct stat info;
    if (fstatat(fd, e->name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        e->reason = "cannot be read";
        return;
    }
    if (S_ISLNK(info.st_mode)) {
        if (!follow_links) {
            e->reason = "symbolic link (--follow-links follows it)";
            return;
        }
        if (fstatat(fd, e->name, &info, 0) != 0) {
            e->reason = errno == ENOENT ? "symbolic link to nothing" : errno == ELOOP ? "symbolic link to itself" : "cannot be read";
            return;
        }
    }
    e->is_folder = S_ISDIR(info.st_mode);
    e->bytes = info.st_size;
    if (e->is_folder && is_on_trail(t, &info)) e->reason = "symbolic link back to its own folder";
    if (!e->is_folder && !S_ISREG(info.st_mode)) e->reason = "pipe, socket or device";
}

/* Read a folder's entries, sorted by name. `path` is below the root. */
static fut_status read_folder(fut_scan *scan, const char *path, trail *t, bool follow_links, folder *out, bool *readable_out)
{
    fut_status st = FUT_OK;
    DIR *dir = NULL;
    struct stat info;
    fut_str full = {0};
    FUT_TRY_GOTO(fut_str_printf(&full, "%s/%s", scan->root, path), out);
    dir = opendir(full.data);
    *readable_out = dir != NULL && fstat(dirfd(dir), &info) == 0;
    if (!*readable_out) goto out;
    t->device[t->depth] = info.st_dev;
    t->inode[t->depth] = info.st_ino;
    t->depth++;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        entry e = {0};
        FUT_TRY_GOTO(keep_path(scan, path, d->d_name, &e.path), out);
        e.name = e.path + (path[0] == '\0' ? 0 : strlen(path) + 1);
        classify(dirfd(dir), t, follow_links, &e);
        void *block = out->entry;
        FUT_TRY_GOTO(make_room(&block, out->n, &out->capacity, sizeof e), out);
        out->entry = block;
        out->entry[out->n++] = e;
    }
    if (out->n > 0) qsort(out->entry, (size_t)out->n, sizeof *out->entry, by_name);
out:
    if (dir != NULL) (void)closedir(dir);
    fut_str_fini(&full);
    return st;
}

/* ---- the walk ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const fut_scan_file *)a)->path, ((const fut_scan_file *)b)->path);
}

/* sorted(os.walk()) sorts by the folder's path as text, in which '/' is just a byte: a, a-b, a/b. */
static int by_folder_then_name(const void *a, const void *b)
{
    const char *pa = ((const fut_scan_file *)a)->path;
    const char *pb = ((const fut_scan_file *)b)->path;
    size_t na = (size_t)(strrchr(pa, '/') - pa);
    size_t nb = (size_t)(strrchr(pb, '/') - pb);
    int order = memcmp(pa, pb, na < nb ? na : nb);
    if (order != 0) return order;
    if (na != nb) return na < nb ? -1 : 1;
    return by_path(a, b);
}

static fut_status walk(fut_scan *scan, const char *path, int64_t person, trail *t, bool follow_links)
{
    fut_status st = FUT_OK;
    folder in = {0};
    bool readable = false;
    int depth = t->depth;
    if (depth == DEPTH_MAX) return add_skip(scan, path, "folders nested too deep");
    FUT_TRY_GOTO(read_folder(scan, path, t, follow_links, &in, &readable), out);
    if (!readable) FUT_TRY_GOTO(add_skip(scan, path, "folder cannot be read"), out);
    for (int64_t i = 0; i < in.n; i++) {
        entry *e = &in.entry[i];
        if (e->reason != NULL)
            FUT_TRY_GOTO(add_skip(scan, e->path, e->reason), out);
        else if (e->is_folder)
            FUT_TRY_GOTO(walk(scan, e->path, person, t, follow_links), out);
        else
            FUT_TRY_GOTO(add_file(scan, e->path, person, e->bytes), out);
    }
out:
    t->depth = depth;
    fut_mem_free(in.entry);
    return st;
}

fut_status fut_scan_folder(const char *root, bool follow_links, fut_scan *scan_out)
{
    fut_status st = FUT_OK;
    fut_scan scan = {0};
    folder top = {0};
    trail t = {0};
    struct stat info;
    bool readable = false;
    if (stat(root, &info) != 0) return fut_file_errno("open", root, errno);
    FUT_CHECK(S_ISDIR(info.st_mode), FUT_ERR_NO_INPUT, "%s: this is a file; give the folder that holds one sub-folder a person", root);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(strlen(root) + 1, &scan.root), out);
    memcpy(scan.root, root, strlen(root) + 1);
    FUT_TRY_GOTO(read_folder(&scan, "", &t, follow_links, &top, &readable), out);
    if (!readable) {
        st = fut_file_errno("read the folder", root, errno);
        goto out;
    }
    for (int64_t i = 0; i < top.n; i++) {
        entry *e = &top.entry[i];
        if (e->reason != NULL) {
            FUT_TRY_GOTO(add_skip(&scan, e->path, e->reason), out);
        } else if (!e->is_folder) {
            scan.n_beside++;
        } else {
            int64_t from = scan.n_files;
            FUT_TRY_GOTO(add_person(&scan, e->path), out);
            FUT_TRY_GOTO(walk(&scan, e->path, scan.n_people - 1, &t, follow_links), out);
            if (scan.n_files > from) qsort(scan.file + from, (size_t)(scan.n_files - from), sizeof *scan.file, by_folder_then_name);
        }
    }
    *scan_out = scan;
    scan = (fut_scan){0};
out:
    fut_mem_free(top.entry);
    fut_scan_fini(&scan);
    return st;
}

void fut_scan_fini(fut_scan *scan)
{
    for (int64_t i = 0; i < scan->n_text; i++)
        fut_mem_free(scan->text[i]);
    fut_mem_free((void *)scan->text);
    fut_mem_free((void *)scan->person);
    fut_mem_free(scan->file);
    fut_mem_free(scan->skip);
    fut_mem_free(scan->root);
    *scan = (fut_scan){0};
}
