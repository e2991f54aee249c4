#include "launch/scratch.h"

#include "core/base/file.h"
#include "core/base/log.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_FOLDERS = 16 };

static fut_status make_in(const char *parent, int length, fut_str *folder_out)
{
    folder_out->length = 0;
    FUT_TRY(fut_str_printf(folder_out, "%.*s/futago-XXXXXX", length, parent));
    return mkdtemp(folder_out->data) != NULL ? FUT_OK : fut_file_errno("make a folder in", parent, errno);
}

fut_status fut_scratch_create(const char *path, fut_str *folder_out)
{
    fut_str folder = {0};
    const char *slash = strrchr(path, '/');
    const char *elsewhere = getenv("TMPDIR");
    const char *parent = slash != NULL && slash != path ? path : ".";
    int length = parent == path ? (int)(slash - path) : 1;
    fut_status st = make_in(parent, length, &folder);
    if (st != FUT_OK) {
        fut_trail_clear();
        if (elsewhere == NULL || elsewhere[0] == '\0') elsewhere = "/tmp";
        st = make_in(elsewhere, (int)strlen(elsewhere), &folder);
    }
    if (st == FUT_OK)
        *folder_out = folder;
    else
        fut_str_fini(&folder);
    return st;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    if (remove(path) != 0) FUT_WARN("%s: cannot remove: %s", path, strerror(errno));
    return 0;
}

void fut_scratch_remove(fut_str *folder)
{
    if (folder->length > 0) (void)nftw(fut_str_text(folder), remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
    fut_str_fini(folder);
}
