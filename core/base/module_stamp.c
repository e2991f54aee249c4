/* The stamp of this build. A module carries its own copy of this file's object, and the program compares the two. */
#include "core/base/module.h"

const char *fut_module_stamp(void)
{
    return FUT_MODULE_STAMP;
}
