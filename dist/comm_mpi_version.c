#include "dist/boot.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

void fut_boot_mpi_versions(char *built_out, char *found_out, size_t max)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    (void)snprintf(built_out, max, "Open MPI %d.%d.%d", OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, OMPI_RELEASE_VERSION);
    (void)MPI_Get_library_version(text, &length);
    /* "Open MPI v4.1.4, package: ..." */
    text[strcspn(text, ",\n")] = '\0';
    char *version = strstr(text, " v");
    if (version != NULL) memmove(version + 1, version + 2, strlen(version + 2) + 1);
    (void)snprintf(found_out, max, "%s", text);
}
