#include "core/base/module.h"

#include "core/base/str.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDERS_MAX = 2 };

/* The loader's text for the last failure of this thread. */
static const char *loader_text(void)
{
    const char *text = dlerror();
    return text ? text : "the loader gives no reason";
}

/* POSIX lets an object pointer of dlsym be a function; ISO C has no cast for it. */
static fut_module_function find_symbol(void *handle, const char *symbol)
{
    void *object = dlsym(handle, symbol);
    fut_module_function function = NULL;
    memcpy(&function, &object, sizeof function);
    return function;
}

/* Folders to look in, in order; folder_out [FOLDERS_MAX], the caller's to release. */
static fut_status list_folders(fut_str *folder_out, int *n_out)
{
    const char *only = getenv("FUTAGO_MODULES");
    *n_out = 0;
    if (only && *only) {
        *n_out = 1;
        return fut_str_printf(&folder_out[0], "%s", only);
    }
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    FUT_CHECK(length > 0, FUT_ERR_UNSUPPORTED, "modules cannot be looked for: /proc/self/exe: %s; set FUTAGO_MODULES to their folder",
              strerror(errno));
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    *n_out = 2;
    FUT_TRY(fut_str_printf(&folder_out[0], "%s", program));
    return fut_str_printf(&folder_out[1], "%s/../lib/futago", program);
}

static fut_status check_stamp(const char *path, void *handle)
{
    const char *(*stamp_of)(void) = (const char *(*)(void))find_symbol(handle, "fut_module_stamp");
    const char *stamp = stamp_of ? stamp_of() : "none";
    FUT_CHECK(strcmp(stamp, fut_module_stamp()) == 0, FUT_ERR_UNSUPPORTED,
              "%s is of another futago: %s, and this program is %s; build and install both together", path, stamp, fut_module_stamp());
    return FUT_OK;
}

/* The loader's text names the library that is missing, or the symbol that one of them lacks. */
static fut_status explain(const char *path, const char *reason)
{
    const char *remedy = strstr(reason, "cannot open shared object file")
                             ? "install that library, or name its folder in LD_LIBRARY_PATH"
                             : "use the versions of its libraries that it was built with, or build it here";
    return FUT_FAIL(FUT_ERR_UNSUPPORTED, "%s cannot be loaded: %s; %s", path, reason, remedy);
}

/* Open <name>.so in the first folder that has it. */
static fut_status open_module(const char *name, const fut_str *folder, int n, fut_str *path, void **handle_out)
{
    for (int i = 0; i < n; i++) {
        fut_str_fini(path);
        FUT_TRY(fut_str_printf(path, "%s/%s.so", fut_str_text(&folder[i]), name));
        if (access(fut_str_text(path), F_OK) != 0) continue;
        *handle_out = dlopen(fut_str_text(path), RTLD_NOW | RTLD_LOCAL);
        if (!*handle_out) return explain(fut_str_text(path), loader_text());
        return FUT_OK;
    }
    return FUT_FAIL(FUT_ERR_UNSUPPORTED, "there is no %s.so in %s%s%s: build preset cuda, or set FUTAGO_MODULES to the folder that has it",
                    name, fut_str_text(&folder[0]), n > 1 ? " or " : "", n > 1 ? fut_str_text(&folder[1]) : "");
}

fut_status fut_module_find(const char *name, const char *function, fut_module_function *function_out)
{
    fut_status st = FUT_OK;
    fut_str folder[FOLDERS_MAX] = {{0}};
    fut_str path = {0};
    int n = 0;
    void *handle = NULL;
    FUT_TRY_GOTO(list_folders(folder, &n), out);
    FUT_TRY_GOTO(open_module(name, folder, n, &path, &handle), out);
    FUT_TRY_GOTO(check_stamp(fut_str_text(&path), handle), out);
    fut_module_function found = find_symbol(handle, function);
    FUT_CHECK_GOTO(found, FUT_ERR_INTERNAL, out, "%s: %s", fut_str_text(&path), loader_text());
    *function_out = found;
out:
    for (int i = 0; i < FOLDERS_MAX; i++)
        fut_str_fini(&folder[i]);
    fut_str_fini(&path);
    return st;
}
