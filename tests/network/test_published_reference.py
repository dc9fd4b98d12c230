"""Every exact speed-up against the published code's arithmetic, in double precision: nothing but rounding."""

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.network import checkpoints, memory_read, model, winograd  # noqa: E402
from maskstream.network.model import SegmentationNetwork  # noqa: E402
from maskstream.network.presets import preset  # noqa: E402
from maskstream.network.soft_aggregation import soft_aggregate  # noqa: E402
from stm_reference import joined, made_up  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]

HEIGHT, WIDTH, OBJECTS = 48, 64, 3


@pytest.fixture(scope="module")
def networks():
    reference = made_up()
    network = SegmentationNetwork(preset("stm")).eval()
    network.load_state_dict(checkpoints.convert_stm(reference.state_dict()))
    return reference.double(), network.double()


@pytest.mark.parametrize("fast", [True, False])
@torch.inference_mode()
def test_a_stream_equals_the_published_one(networks, monkeypatch: pytest.MonkeyPatch, fast) -> None:
    if fast:  # all that otherwise only large frames take
        monkeypatch.setattr(winograd, "pays", lambda x, out: x.device.type == "cpu")
        monkeypatch.setattr(memory_read, "LEAST_QUERIES", 7)
        for home in (memory_read, model):
            monkeypatch.setattr(home, "SCORE_BYTES", 0)
    reference, network = networks
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(3, 1, 3, HEIGHT, WIDTH, generator=generator).double()
    labels = torch.randint(0, OBJECTS + 1, (3, 4), generator=generator)
    labels = labels.repeat_interleave(16, 0).repeat_interleave(16, 1)
    first = torch.nn.functional.one_hot(labels, 11).movedim(-1, 0)[None].double()

    memory, expected, kept, masks = None, first, [], first[0, 1 : OBJECTS + 1]
    for t in range(1, len(frames)):
        memory = joined(memory, reference.memorize(frames[t - 1], expected, OBJECTS))
        expected = torch.softmax(reference.segment(frames[t], memory, OBJECTS), 1)

        others = (masks.sum(0) - masks).clamp(0, 1)[:, None]
        features = network.encode(frames[t - 1])
        kept.append(network.memorize(frames[t - 1], features, masks[:, None], others))
        key, value = torch.stack([e.key for e in kept]), torch.stack([e.value for e in kept])
        features = network.encode(frames[t])
        logits = []
        for one in range(OBJECTS):
            own = slice(one, one + 1)
            readout = network.read_frames(features, key[:, own], None, value[:, own])
            logits.append(network.decode(features, readout, masks[own, None]))
        masks = soft_aggregate(torch.cat(logits).double(), 10 - OBJECTS)[1:]
        torch.testing.assert_close(masks, expected[0, 1 : OBJECTS + 1], rtol=0, atol=1e-5)
        assert masks.std() > 0.01
