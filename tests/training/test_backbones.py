"""Every network by name trains, or is refused at once. The kind: a family whose body gives something else than a map
with channels first: tokens, channels last, features that are pooled already, two things at once; one that is built for
one size of photos; one that fastai cuts at the wrong place.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image

from mirror.errors import UnsupportedLearner, UsageError, WeightsError
from mirror.export.grad_cam_export import write_heat
from mirror.export.onnx_export import compile_learner
from mirror.inference.pickle_scan import check_pickle
from mirror.inference.session import OnnxModel
from mirror.training.backbones import find_backbone, input_size, make_body, pooled
from mirror.training.build import export_learner
from mirror.training.learner import Start, set_head
from mirror.training.linear_probe import LinearProbe
from mirror.training.pretrained import find_architecture, load_into
from tests.support.training import photo

# timm's modules → a small network of each, and of kinds that differ within one
TIMM = """
beit_base_patch16_224 botnet26t_256 mobileone_s0 cait_xxs24_224 coat_lite_tiny convit_tiny convmixer_768_32
convnext_atto cpubone_nano crossvit_tiny_240 csatv2 cspdarknet53 cspnext_tiny davit_tiny deit_tiny_distilled_patch16_224
dla46_c dpn48b edgenext_xx_small efficientformer_l1 efficientformerv2_s0 tf_efficientnet_lite0
efficientvim_m1 efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 focalnet_tiny_srf
gcvit_xxtiny ghostnet_050 hardcorenas_a hgnetv2_b0 hiera_tiny_224 sam2_hiera_tiny hrnet_w18_small iformer_t
inception_next_atto inception_resnet_v2 inception_v4 lcnetv2_small levit_128s lowformer_b0 mambaout_femto
coatnet_nano_rw_224 poolformer_s12 mixer_s32_224 mobilenetv3_small_050 mobilevit_xxs mvitv2_tiny nest_tiny
nextvit_small nf_regnet_b0 pit_ti_224 pvt_v2_b0 rdnet_tiny regnetx_002 repghostnet_050 repvit_m0_9 res2net50_14w_8s
resnest14d resnet10t resnetv2_18 rexnet_100 selecsls42 legacy_seresnet18 sequencer2d_s shvit_s1 skresnet18
starnet_s050 swiftformer_xs swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 swinv2_cr_tiny_224 tiny_vit_5m_224
tnt_s_patch16_224 tresnet_m twins_svt_small repvgg_a0 visformer_tiny vit_tiny_patch16_224 vit_tiny_r_s16_p8_224
vit_relpos_small_patch16_224 vitamin_small_224 volo_d1_224 ese_vovnet19b_dw legacy_xception xception41
xcit_nano_12_p16_224 vit_small_patch14_dinov2 vit_small_patch14_reg4_dinov2 vit_small_patch16_dinov3
vit_base_patch32_clip_224 vit_base_patch32_siglip_256 resnet50_clip fastvit_mci0
""".split()
LARGE = {  # modules whose smallest network takes a minute here; all but sam's were tried by hand
    "deepseek_vit", "gemma4_vit", "qwen3_vit", "mobilenetv5", "naflexvit", "nasnet", "pnasnet",
    "vision_transformer_sam",
}  # fmt: skip
SAME = {"densenet", "inception_v3", "vgg"}  # torchvision's are taken, which go by the same names
TORCHVISION = {  # → what its classifier takes
    "alexnet": 4096, "convnext_tiny": 768, "densenet121": 1024, "efficientnet_b0": 1280, "efficientnet_v2_s": 1280,
    "googlenet": 1024, "inception_v3": 2048, "maxvit_t": 512, "mnasnet0_5": 1280, "mobilenet_v2": 1280,
    "mobilenet_v3_small": 1024, "regnet_y_400mf": 440, "resnet18": 512, "resnext50_32x4d": 2048,
    "shufflenet_v2_x0_5": 1024, "squeezenet1_1": 512, "swin_t": 768, "swin_v2_t": 768, "vgg11": 4096, "vit_b_16": 768,
    "wide_resnet50_2": 2048,
}  # fmt: skip
SMALL = 96  # px


def quiet(_: str) -> None:
    pass


def features_of(body: torch.nn.Module, size: int) -> torch.Tensor:
    with torch.inference_mode():
        return pooled(body(torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))))


def test_every_module_of_timms_is_among_them() -> None:
    modules = {timm.model_entrypoint(name).__module__.rpartition(".")[2] for name in TIMM}
    assert {name for name in timm.list_modules() if timm.list_models(module=name)} - modules - SAME == LARGE


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TIMM)
def test_every_family_of_timms_gives_the_features_that_it_says(name: str) -> None:
    architecture = find_architecture(name)
    size = input_size(architecture, SMALL)
    body = make_body(architecture, size)
    features = features_of(body, size)
    network = body.model
    assert features.shape in ((2, network.num_features), (2, network.head_hidden_size))
    assert torch.isfinite(features).all() and not torch.equal(features[0], features[1])


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_family_of_torchvisions_gives_what_its_classifier_takes(name: str) -> None:
    architecture = find_architecture(name)
    size = input_size(architecture, SMALL)
    body = make_body(architecture, size)
    assert features_of(body, size).shape == (2, TORCHVISION[name])


def test_no_family_of_torchvisions_is_left_out() -> None:
    modules = {getattr(torchvision.models, name).__module__ for name in TORCHVISION}
    every = {
        getattr(torchvision.models, name).__module__ for name in torchvision.models.list_models(torchvision.models)
    }
    assert every == modules


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "vit_b_16", "densenet121", "vgg11"])
def test_they_are_those_of_the_network_with_its_pretrained_weights(name: str) -> None:
    """The network's own classifier, applied to them, gives the network's own answers."""
    torch.manual_seed(2)
    network = getattr(torchvision.models, name)(weights=None).eval()
    architecture = find_architecture(name)
    size = input_size(architecture, SMALL)
    body = make_body(architecture, size)
    load_into(body, network.state_dict(), name)
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    pixels = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        assert torch.allclose(last(pooled(body(pixels))), network(pixels), atol=1e-4)


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224", "levit_128s"]
)
def test_timms_weights_arrive_by_name_in_any_order(name: str) -> None:
    """As safetensors keeps them: sorted by name, which is in no order of layers."""
    torch.manual_seed(2)
    architecture = find_architecture(name)
    size = input_size(architecture, SMALL)
    network = timm.create_model(name, pretrained=False).eval()
    state = network.state_dict()
    body = make_body(architecture, size)
    load_into(body, {key: state[key] for key in sorted(state)}, name)
    pixels = torch.rand(1, 3, size, size)
    with torch.inference_mode():
        assert torch.equal(body.model.forward_features(pixels), network.forward_features(pixels))


def test_positions_of_another_size_are_fitted_as_timm_fits_them() -> None:
    torch.manual_seed(2)
    state = timm.create_model("vit_tiny_patch16_224", pretrained=False).state_dict()
    body = make_body(find_architecture("vit_tiny_patch16_224"), 96)
    load_into(body, state, "vit")
    theirs = timm.create_model("vit_tiny_patch16_224", img_size=96, num_classes=0).eval()
    theirs.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(state, theirs), strict=False)
    pixels = torch.rand(1, 3, 96, 96)
    with torch.inference_mode():
        assert torch.allclose(body(pixels), theirs(pixels), atol=1e-5)


def test_weights_in_no_order_of_layers_are_never_taken_by_position() -> None:
    state = torchvision.models.vgg11_bn(weights=None).state_dict()
    strange = {f"x.{key}": state[key] for key in sorted(state)}
    with pytest.raises(WeightsError, match="does not fit"):
        load_into(make_body(find_architecture("vgg11_bn"), 64), strange, "vgg11_bn")


REFUSED = {
    ("maxvit_t", 100): "takes no photos of 100 px .* --size 224",
    ("vit_b_16", 288): "takes no photos of 288 px .* --size 224",
    ("inception_v3", 32): "takes no photos of 32 px",
}


@pytest.mark.parametrize(("name", "size"), REFUSED)
def test_a_size_that_a_network_does_not_take_is_refused_at_once(name: str, size: int) -> None:
    with pytest.raises(UsageError, match=REFUSED[name, size]):
        find_backbone(name, None, size, 288, quiet)


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet18", 288), ("vit_b_16", 224), ("vit_small_patch14_dinov2", 280), ("samvit_base_patch16", 288)],
)
def test_where_no_size_is_asked_for_a_network_gets_one_that_it_takes(name: str, size: int) -> None:
    assert input_size(find_architecture(name), 288) == size


KINDS = {  # → whether a map shows where an answer came from
    "shufflenet_v2_x0_5": True, "mnasnet0_5": True, "googlenet": True, "densenet121": True, "resnet10t": True,
    "vit_tiny_patch16_224": False, "vit_small_patch14_reg4_dinov2": False, "levit_128s": False, "mixer_s32_224": False,
    "efficientformerv2_s0": True, "pit_ti_224": False, "coat_lite_tiny": False,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_a_learner_of_it_is_read_compiled_and_answers_alike(name: str, tmp_path: Path) -> None:
    architecture = find_architecture(name)
    size = input_size(architecture, SMALL)
    size = 56 if "dinov2" in name else size
    body = make_body(architecture, size)
    photos = []
    for number in range(4):
        drawn = photo(number, "ab"[number % 2])
        drawn = replace(drawn, split="validation" if number > 1 else "train")
        drawn.path(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((80, 60), 80).convert("RGB").save(drawn.path(tmp_path))
        photos.append(drawn)
    start = Start(tmp_path, ("a", "b"), architecture, body.state_dict(), name, size, 0)
    learner = start.learner(photos)
    width = features_of(learner.model[0], size).shape[1]
    weight = np.random.default_rng(0).normal(size=(2, width)).astype(np.float32) / width**0.5
    set_head(learner, LinearProbe(weight, np.zeros(2, np.float32), 1.0, None))
    export_learner(learner, tmp_path / "learner.pkl")
    check_pickle(tmp_path / "learner.pkl")
    compiled = compile_learner(tmp_path / "learner.pkl", tmp_path / "model.onnx", trusted=False)
    assert compiled.arch == name and compiled.onnx.outputs == ("logits", "features")
    shown = np.random.default_rng(1).random((3, 3, size, size), np.float32)
    _, features = OnnxModel(tmp_path / "model.onnx").run(shown, ("logits", "features"))
    assert features.shape == (3, width)
    if KINDS[name]:
        write_heat(tmp_path / "model.onnx", tmp_path / "heat.onnx")
    else:
        with pytest.raises(UnsupportedLearner):
            write_heat(tmp_path / "model.onnx", tmp_path / "heat.onnx")
