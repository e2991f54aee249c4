/* Modules: parts of futago in shared objects of their own, opened at run time, because they need libraries that a machine may lack. A
 * program linked to libcudnn or libnccl would not start without them.
 *
 * A module <name>.so is looked for in $FUTAGO_MODULES, and only there if that is set; else beside the executable; else in ../lib/futago of
 * it. It stays open until the process ends. A module takes core and dist from the program that opens it, so both must be built of one
 * interface: their stamps are compared (cmake/modules.cmake). */
#ifndef FUT_CORE_BASE_MODULE_H
#define FUT_CORE_BASE_MODULE_H

#include "core/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*fut_module_function)(void);

/* The function `function` of module `name`, to be cast to its type.
 * Errors: FUT_ERR_UNSUPPORTED: no such file (where it was looked for), a library that is missing or too old (the loader's own text, which
 * names it), a stamp that differs (both); with what to do. FUT_ERR_INTERNAL: no such function. */
fut_status fut_module_find(const char *name, const char *function, fut_module_function *function_out) FUT_MUST_CHECK;
/* "0.1.0, interface 1a2b3c4d": of the program here; a module has its own. */
const char *fut_module_stamp(void);

#ifdef __cplusplus
}
#endif

#endif
