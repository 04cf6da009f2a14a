import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from prefrl.losses.options import BradleyTerryOptions, PlackettLuceOptions


def test_a_part_by_name_by_main_option_and_by_options():
    for written in ({"davidson": 2.0}, {"davidson": {"nu": 2.0}}):
        part = BradleyTerryOptions(link=written).link
        assert (part.name, part.options.nu) == ("davidson", 2.0)
    assert BradleyTerryOptions(link="davidson").link.options.nu == 1.0
    assert BradleyTerryOptions(link={"davidson": None}).link.options.nu == 1.0


@pytest.mark.parametrize("options", [
    {}, {"smoothing": 0.1}, {"link": {"davidson": {"nu": 2.0, "learn": True}}}, {"label_tf": [{"smooth_uniform": 0.05}]},
    {"transform": [{"scale": 0.1}], "temperature": 2.0, "ties": "drop"},
])  # fmt: skip
def test_dumped_options_are_valid_input(options):
    parsed = BradleyTerryOptions(**options)
    dumped = json.loads(json.dumps(parsed.model_dump()))
    assert BradleyTerryOptions(**dumped) == parsed


@pytest.mark.parametrize(("options", "match"), [
    ({"smoothin": 0.1}, "Extra inputs"),
    ({"link": "davidsn"}, "no link 'davidsn'.*Did you mean 'davidson'"),
    ({"link": {"davidson": {"mu": 2.0}}}, "Extra inputs"),
    ({"link": {"davidson": 1.0, "hinge": 1.0}}, "not 2 keys"),
    ({"link": {"logistic": 1.0}}, "has no options"),
    ({"link": {"noise_floor": 0.1}, "smoothing": 0.1}, "both correct for wrong answers"),
    ({"link": {"robust": 0.1}, "label_tf": ["smooth_uniform"]}, "both correct for wrong answers"),
    ({"smoothing": 0.1, "label_tf": ["smooth_uniform"]}, "both correct for wrong answers"),
    ({"link": "robust", "ties": "half"}, "use ties: drop"),
    ({"ties": "model"}, "no outcome for ties.*davidson"),
    ({"link": "davidson", "ties": "half"}, "models ties"),
    ({"smoothing": 0.6}, "less than 0.5"),
    ({"temperature": 0.0}, "greater than 0"),
])  # fmt: skip
def test_mistakes_say_what_to_do(options, match):
    with pytest.raises(ValidationError, match=match):
        BradleyTerryOptions(**options)


def test_a_schema_lists_the_parts():
    schema = json.dumps(BradleyTerryOptions.model_json_schema())
    assert "davidson" in schema
    assert "temperature" in json.dumps(PlackettLuceOptions.model_json_schema())


def test_options_need_no_torch():
    code = (
        "import sys, prefrl.losses, prefrl.losses.options, prefrl.losses.registered as r; r.losses();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
