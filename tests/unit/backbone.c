/* Backbones: the registry, sizes that are known, shapes that timm gives. */
#include "core/backbone/backbone.h"
#include "core/nn/graph_impl.h"
#include "tests/support/support.h"

#include <math.h>
#include <string.h>

static fut_graph *build(const fut_backbone *backbone, int64_t size, fut_value *features)
{
    fut_graph *graph = NULL;
    FUT_TEST_OK(fut_graph_create(size, &graph));
    *features = backbone->build(graph, 0);
    FUT_TEST_OK(fut_graph_status(graph));
    return graph;
}

static void check_counts(const fut_backbone *backbone, int64_t params, int tensors)
{
    fut_value features;
    fut_graph *graph = build(backbone, 224, &features);
    assert_int_equal(graph->param_count, params);
    assert_int_equal(graph->tensor_count, tensors);
    fut_graph_destroy(&graph);
}

static void parameter_counts_are_timms(void **state)
{
    (void)state;
    /* state_dict entries without num_batches_tracked: 418 - 59; 296 - 49 - 2 of the classifier */
    check_counts(&fut_backbone_tf_efficientnetv2_b0, 5858704, 359);
    check_counts(&fut_backbone_tf_efficientnet_lite0, 3371008, 245);
    check_counts(&fut_backbone_tf_efficientnetv2_b1, 6860052, 441);
    check_counts(&fut_backbone_tf_efficientnetv2_b2, 8687086, 460);
    check_counts(&fut_backbone_tf_efficientnetv2_b3, 12821406, 536);
    check_counts(&fut_backbone_resnet18, 11176512, 100); /* 120 - 20 */
    check_counts(&fut_backbone_resnet34, 21284672, 180);
    check_counts(&fut_backbone_resnet50, 23508032, 265); /* 318 - 53 */
    check_counts(&fut_backbone_resnet101, 42500160, 520);
}

static void features_of(const fut_backbone *backbone, int64_t size, int64_t channels, int64_t side)
{
    fut_value features;
    fut_graph *graph = build(backbone, size, &features);
    fut_shape4 shape = graph->values[features].shape;
    assert_int_equal(shape.c, channels);
    assert_int_equal(shape.h, side);
    assert_int_equal(shape.w, side);
    fut_graph_destroy(&graph);
}

static void any_size_works(void **state)
{
    (void)state;
    features_of(&fut_backbone_tf_efficientnetv2_b0, 224, 1280, 7);
    features_of(&fut_backbone_tf_efficientnetv2_b0, 112, 1280, 4);
    features_of(&fut_backbone_tf_efficientnetv2_b0, 97, 1280, 4);
    features_of(&fut_backbone_tf_efficientnet_lite0, 160, 1280, 5);
    features_of(&fut_backbone_tf_efficientnetv2_b3, 97, 1536, 4);
    features_of(&fut_backbone_resnet18, 224, 512, 7);
    features_of(&fut_backbone_resnet50, 112, 2048, 4);
    features_of(&fut_backbone_resnet50, 97, 2048, 4);
    features_of(&fut_backbone_resnet101, 16, 2048, 1);
    features_of(&fut_backbone_iresnet18, 112, 512, 7);
    features_of(&fut_backbone_iresnet50, 97, 512, 7);
    features_of(&fut_backbone_iresnet100, 16, 512, 1);
    features_of(&fut_backbone_mobilefacenet, 112, 512, 7);
    features_of(&fut_backbone_mobilefacenet, 225, 512, 15);
    features_of(&fut_backbone_tiny, 33, 64, 5);
    features_of(&fut_backbone_tiny, 1, 64, 1);
}

/* TensorFlow's SAME: an even input is padded after only, an odd one on both sides. */
static void stride_two_pads_as_tensorflow(void **state)
{
    (void)state;
    for (int64_t size = 32; size <= 33; size++) {
        fut_value features;
        fut_graph *graph = build(&fut_backbone_tiny, size, &features);
        const fut_node_conv *stem = &graph->nodes[0].conv;
        assert_int_equal(stem->pad_top, size % 2);
        assert_int_equal(stem->pad_left, size % 2);
        assert_int_equal(stem->pad_bottom, 1);
        assert_int_equal(stem->pad_right, 1);
        fut_graph_destroy(&graph);
    }
}

/* How a tensor starts, by name. */
static void check_init(const fut_backbone *backbone, const char *name, fut_init_kind kind, double scale)
{
    fut_value features;
    fut_graph *graph = build(backbone, 112, &features);
    if (backbone->head) backbone->head(graph, features, 128);
    FUT_TEST_OK(fut_graph_status(graph));
    int t = 0;
    while (t < graph->tensor_count && strcmp(graph->tensors[t].name, name) != 0)
        t++;
    if (t == graph->tensor_count) fail_msg("%s has no tensor %s", backbone->name, name);
    if (graph->inits[t].kind != kind || fabs(graph->inits[t].scale - scale) > 1e-12)
        fail_msg("%s: %s starts with %g, expected %g", backbone->name, name, graph->inits[t].scale, scale);
    fut_graph_destroy(&graph);
}

static void tensors_start_as_their_peers(void **state)
{
    (void)state;
    check_init(&fut_backbone_resnet50, "conv1.weight", FUT_INIT_NORMAL, sqrt(2.0 / (49 * 64)));
    check_init(&fut_backbone_resnet50, "layer2.0.downsample.0.weight", FUT_INIT_NORMAL, sqrt(2.0 / 512));
    check_init(&fut_backbone_resnet50, "layer2.0.bn3.weight", FUT_INIT_CONSTANT, 0); /* zero_init_last */
    check_init(&fut_backbone_resnet50, "layer2.0.bn2.weight", FUT_INIT_CONSTANT, 1);
    check_init(&fut_backbone_resnet18, "layer4.1.bn2.weight", FUT_INIT_CONSTANT, 0);
    check_init(&fut_backbone_resnet18, "layer4.0.downsample.1.weight", FUT_INIT_CONSTANT, 1);
    check_init(&fut_backbone_iresnet18, "conv1.weight", FUT_INIT_NORMAL, 0.1);
    check_init(&fut_backbone_iresnet18, "layer3.0.downsample.0.weight", FUT_INIT_NORMAL, 0.1);
    check_init(&fut_backbone_iresnet18, "layer3.1.bn3.weight", FUT_INIT_CONSTANT, 1);
    check_init(&fut_backbone_iresnet18, "layer3.1.prelu.weight", FUT_INIT_CONSTANT, 0.25);
    check_init(&fut_backbone_iresnet18, "fc.bias", FUT_INIT_UNIFORM, 1 / sqrt(512.0 * 49));
    check_init(&fut_backbone_mobilefacenet, "layers.1.layers.0.weight", FUT_INIT_NORMAL, sqrt(2.0 / (64 * 9)));
    check_init(&fut_backbone_mobilefacenet, "layers.5.layers.3.layers.2.layers.0.weight", FUT_INIT_NORMAL, sqrt(2.0 / 128));
    check_init(&fut_backbone_mobilefacenet, "layers.0.layers.2.weight", FUT_INIT_CONSTANT, 0.25);
    check_init(&fut_backbone_mobilefacenet, "features.layers.0.layers.0.weight", FUT_INIT_NORMAL, sqrt(2.0 / (512 * 49)));
    check_init(&fut_backbone_mobilefacenet, "features.layers.2.weight", FUT_INIT_NORMAL, sqrt(2.0 / 128));
}

static int count_tensors(fut_backend *bk, const char *backbone, int embedding_norm, const char *layer, bool *frozen_out)
{
    fut_net *net = NULL;
    int found = 0;
    fut_net_spec spec = {.backbone = backbone, .embedding = 8, .size = 32, .embedding_norm = embedding_norm, .std = {1, 1, 1}};
    spec.dtype = spec.real = FUT_F32;
    FUT_TEST_OK(fut_net_create(bk, &spec, &net));
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        if (strncmp(tensor->name, layer, strlen(layer)) != 0) continue;
        if (strstr(tensor->name, ".weight")) *frozen_out = tensor->frozen;
        found++;
    }
    fut_net_destroy(&net);
    return found;
}

static void a_batch_norm_on_the_embedding_by_choice(void **state)
{
    (void)state;
    fut_backend *bk = NULL;
    bool frozen = true;
    FUT_TEST_OK(fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk));
    assert_int_equal(count_tensors(bk, "tiny", FUT_EMBEDDING_NORM_OWN, "embedder_norm.", &frozen), 0);
    assert_int_equal(count_tensors(bk, "tiny", FUT_EMBEDDING_NORM_BATCH, "embedder_norm.", &frozen), 4);
    assert_false(frozen);
    assert_int_equal(count_tensors(bk, "mobilefacenet", FUT_EMBEDDING_NORM_NONE, "features.layers.3.", &frozen), 0);
    assert_int_equal(count_tensors(bk, "mobilefacenet", FUT_EMBEDDING_NORM_OWN, "features.layers.3.", &frozen), 4);
    assert_false(frozen);
    assert_int_equal(count_tensors(bk, "iresnet18", FUT_EMBEDDING_NORM_NONE, "features.", &frozen), 0);
    assert_int_equal(count_tensors(bk, "iresnet18", FUT_EMBEDDING_NORM_OWN, "features.", &frozen), 4);
    assert_true(frozen);
    fut_backend_destroy(&bk);
}

static void the_registry_names_each_once(void **state)
{
    (void)state;
    for (int i = 0; fut_backbones[i]; i++) {
        assert_non_null(fut_backbones[i]->doc);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(fut_backbones[i]->name, fut_backbones[k]->name);
    }
}

static void errors_of_a_graph_stick(void **state)
{
    (void)state;
    fut_graph *graph = NULL;
    char name[200];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    FUT_TEST_OK(fut_graph_create(8, &graph));
    fut_value x = fut_graph_conv(graph, 0, name, 4, 3, 1, 1);
    x = fut_graph_norm_act(graph, x, "bn", 1e-3, FUT_ACT_RELU, FUT_VALUE_NONE);
    x = fut_graph_global_pool(graph, x);
    fut_graph_linear(graph, x, "embedder", 2, true);
    FUT_TEST_FAILS(fut_graph_status(graph), FUT_ERR_INTERNAL, "longer than");
    fut_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_counts_are_timms),    cmocka_unit_test(any_size_works),
        cmocka_unit_test(stride_two_pads_as_tensorflow), cmocka_unit_test(the_registry_names_each_once),
        cmocka_unit_test(tensors_start_as_their_peers),  cmocka_unit_test(a_batch_norm_on_the_embedding_by_choice),
        cmocka_unit_test(errors_of_a_graph_stick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
