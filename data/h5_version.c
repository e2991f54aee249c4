#include "data/h5.h"

#include <hdf5.h>
#include <stdio.h>

void fut_h5_versions(char *built_out, char *found_out, size_t max)
{
    unsigned major = 0, minor = 0, release = 0;
    (void)snprintf(built_out, max, "%d.%d.%d", H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE);
    (void)H5get_libversion(&major, &minor, &release);
    (void)snprintf(found_out, max, "%u.%u.%u", major, minor, release);
}
