#include "launch/network_file.h"

#include "core/base/yaml.h"

#include <stdbool.h>
#include <string.h>

static const fut_opt link_options[] = {
    FUT_OPT_F64(fut_link, bandwidth, "1", 1e-6, 1e6, "GB/s", "each direction; required"),
    FUT_OPT_F64(fut_link, latency, "5", 0, 1e7, "us", "from the start of a message to its first byte"),
    FUT_OPT_F64(fut_link, message, "0.5", 0, 1e7, "us", "a rank's own time for each message that it starts"),
    FUT_OPT_END,
};

static const fut_opt network_options[] = {
    FUT_OPT_STRING(fut_network_file, name, "", "what tables call it"),
    FUT_OPT_I64(fut_network_file, ranks_a_node, "8", 1, 1024, "ranks", "ranks, or GPUs, of a node"),
    FUT_OPT_TABLE(fut_network_file, node, link_options, "from a rank to the others of its node"),
    FUT_OPT_TABLE(fut_network_file, between, link_options, "from a node to the others, shared by its ranks"),
    FUT_OPT_F64(fut_network_file, storage, "1", 1e-6, 1e6, "GB/s", "where checkpoints are written"),
    FUT_OPT_F64(fut_network_file, overlap, "1", 0, 1, "", "of the sum's time beside the backward, what hides behind it"),
    FUT_OPT_END,
};

static const fut_yaml_node *find(const fut_yaml_node *mapping, const char *key)
{
    const fut_yaml_node *child = mapping != NULL ? mapping->child : NULL;
    while (child != NULL && (child->key == NULL || strcmp(child->key, key) != 0))
        child = child->next;
    return child;
}

static fut_status check_links(const char *path, const fut_yaml_node *root)
{
    static const char *const links[] = {"node", "between"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        const fut_yaml_node *link = find(root, links[i]);
        int line = link != NULL ? link->line : root->line;
        int column = link != NULL ? link->column : root->column;
        FUT_CHECK(find(link, "bandwidth") != NULL, FUT_ERR_CONFIG,
                  "%s:%d:%d: %s.bandwidth is missing: give it in GB/s, as %s: {bandwidth: 50}", path, line, column, links[i], links[i]);
    }
    return FUT_OK;
}

static void to_seconds(fut_link *link)
{
    link->bandwidth *= 1e9;
    link->latency *= 1e-6;
    link->message *= 1e-6;
}

fut_status fut_network_file_load(const char *path, fut_network_file *network_out)
{
    fut_status st = FUT_OK;
    fut_yaml_node *root = NULL;
    fut_network_file network = {0};
    FUT_TRY_GOTO(fut_yaml_parse_file(path, &root), out);
    FUT_TRY_GOTO(fut_opt_defaults(network_options, &network), out);
    FUT_TRY_GOTO(fut_opt_load(network_options, &network, root), out);
    FUT_TRY_GOTO(check_links(path, root), out);
    if (network.name[0] == '\0') (void)strncpy(network.name, path, sizeof network.name - 1);
    to_seconds(&network.node);
    to_seconds(&network.between);
    network.storage *= 1e9;
    *network_out = network;
out:
    fut_yaml_destroy(&root);
    return st;
}

fut_network fut_network_file_get(const fut_network_file *file)
{
    return (fut_network){.ranks_a_node = file->ranks_a_node, .node = file->node, .between = file->between};
}
