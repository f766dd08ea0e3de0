"""C2PA: signed last, over everything, offline; what was touched afterwards is invalid."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

c2pa = pytest.importorskip("c2pa", reason="needs pip install 'photochrom[c2pa]'")

from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402

from photochrom.colorize.errors import PrintError, ProofError, SettingsError  # noqa: E402
from photochrom.colorize.picture import Photo, PrintRecipe  # noqa: E402
from photochrom.colorize.picture.marking import c2pa as ours  # noqa: E402
from photochrom.colorize.picture.marking.c2pa import (  # noqa: E402
    Manifest,
    Signer,
    read_manifest,
    to_be_signed,
)
from photochrom.colorize.picture.marking.chain import make_test_chain  # noqa: E402
from photochrom.colorize.picture.marking.marks import SENTENCE, read_marks  # noqa: E402
from tests.colorize.picture.lightbox import (  # noqa: E402
    ORIGIN,
    mild_chroma,
    plate_for,
    scene,
    shelve,
)

FORMATS = ["tif", "png", "jpg", "webp"]
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
UNTRUSTED = ("signingCredential.untrusted",)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_test_chain(folder, "City Archive")
    return folder


@pytest.fixture(scope="module")
def signer(keys: Path) -> Signer:
    return Signer((keys / "key.pem").read_bytes(), (keys / "chain.pem").read_bytes())


def opened(path: Path, signer: Signer) -> Photo:
    return to_be_signed(Photo.open(path), path, "box 3/negative 7.tif", signer)


def printed(folder: Path, signer: Signer, ending: str, original: Path | None = None) -> Path:
    photo = opened(original or shelve(folder, scene(120, 160)), signer)
    path = folder / f"print.{ending}"
    plate_for(photo, mild_chroma()).print_on(photo, ORIGIN).save(path, signer=signer)
    return path


def read_by_c2pa(path: Path, anchors: str) -> dict[str, Any]:
    """Read a manifest by the library's own reader, with its own settings."""
    context = c2pa.Context.from_dict({"version": 1, "trust": {"trust_anchors": anchors}})
    with c2pa.Reader(str(path), context=context) as reader:
        found = json.loads(reader.json())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("ending", FORMATS)
def test_a_signed_print_is_trusted_by_who_trusts_its_authority(
    ending: str, keys: Path, signer: Signer, tmp_path: Path
) -> None:
    path = printed(tmp_path, signer, ending)
    original = Photo.open(tmp_path / "original.tif")
    found = read_by_c2pa(path, (keys / "anchor.pem").read_text())
    assert found["validation_state"] == "Trusted"
    manifest = found["manifests"][found["active_manifest"]]
    actions = next(a for a in manifest["assertions"] if a["label"] == "c2pa.actions.v2")["data"]
    opened_, coloured = actions["actions"]
    assert opened_["action"] == "c2pa.opened"
    assert coloured["action"] == "c2pa.color_adjustments"
    assert coloured["digitalSourceType"] == SOURCE_TYPE
    assert coloured["softwareAgent"] == {"name": "photochrom", "version": "test"}
    assert coloured["description"] == SENTENCE
    assert coloured["when"] == ORIGIN.when
    assert actions["allActionsIncluded"] is True
    (ingredient,) = manifest["ingredients"]
    assert ingredient["title"] == "box 3/negative 7.tif"
    assert ingredient["relationship"] == "parentOf"
    assert ingredient["instance_id"] == f"sha256:{original.sha256}"
    assert "thumbnail" not in json.dumps(found)
    marks = read_marks(path).marks
    assert marks is not None
    assert marks.OriginalSHA256 == original.sha256


@pytest.mark.parametrize("tool", ["exiftool", "exiv2"])
@pytest.mark.parametrize("ending", FORMATS)
def test_others_read_the_marks_of_a_signed_print(
    ending: str, tool: str, signer: Signer, tmp_path: Path
) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")
    path = printed(tmp_path, signer, ending)
    options = ["-s3", "-XMP-iptcExt:DigitalSourceType", "-n"]
    if tool == "exiv2":
        options = ["-PXv", "-K", "Xmp.iptcExt.DigitalSourceType"]
    ran = subprocess.run([tool, *options, str(path)], capture_output=True, text=True)
    assert ran.stdout.strip() == SOURCE_TYPE


@pytest.mark.parametrize("ending", FORMATS)
def test_without_anchors_it_is_valid_by_somebody(
    ending: str, signer: Signer, tmp_path: Path
) -> None:
    path = printed(tmp_path, signer, ending)
    original = Photo.open(tmp_path / "original.tif").sha256
    assert read_manifest(path) == Manifest(
        "valid", UNTRUSTED, "Test signer, City Archive", "", original
    )


@pytest.mark.parametrize("ending", ["tif", "png"])
@pytest.mark.parametrize("bits", [8, 16])
def test_signing_moves_no_sample(ending: str, bits: int, signer: Signer, tmp_path: Path) -> None:
    photo = opened(shelve(tmp_path, scene(60, 80, bits)), signer)
    facts = plate_for(photo).print_on(photo, ORIGIN).save(tmp_path / f"p.{ending}", signer=signer)
    assert facts.luma_proof == "exact"
    assert facts.luma_sha256 == photo.luma_sha256
    assert facts.output_bytes == (tmp_path / f"p.{ending}").stat().st_size
    assert np.array_equal(Photo.open(tmp_path / f"p.{ending}").luma, photo.luma)


@pytest.mark.parametrize("ending", FORMATS)
def test_one_bit_of_the_picture(ending: str, signer: Signer, tmp_path: Path) -> None:
    path = printed(tmp_path, signer, ending)
    data = bytearray(path.read_bytes())
    place = {"tif": len(data) // 2, "webp": 200}.get(ending, len(data) - 200)
    data[place] ^= 1
    path.write_bytes(data)
    found = read_manifest(path)
    assert found.state == "invalid"
    assert "assertion.dataHash.mismatch" in found.codes


def test_marks_that_were_edited(signer: Signer, tmp_path: Path) -> None:
    path = printed(tmp_path, signer, "jpg")
    path.write_bytes(path.read_bytes().replace(b"compositeWith", b"compositeWit_"))
    assert read_manifest(path).state == "invalid"


def test_a_plain_print_has_none(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(20, 30)))
    plate_for(photo).print_on(photo, ORIGIN).save(tmp_path / "p.png")
    assert read_manifest(tmp_path / "p.png") == Manifest("none")


@pytest.mark.parametrize("broken", [False, True])
def test_an_originals_own_manifest_is_carried(
    broken: bool, keys: Path, signer: Signer, tmp_path: Path
) -> None:
    first = printed(tmp_path, signer, "jpg").rename(tmp_path / "first.jpg")
    if broken:
        data = bytearray(first.read_bytes())
        data[-200] ^= 1
        first.write_bytes(data)
    path = printed(tmp_path, signer, "png", first)
    found = read_by_c2pa(path, (keys / "anchor.pem").read_text())
    assert found["validation_state"] == "Trusted"
    assert len(found["manifests"]) == 2
    (ingredient,) = found["manifests"][found["active_manifest"]]["ingredients"]
    assert ingredient["active_manifest"] in found["manifests"]
    assert ("assertion.dataHash.mismatch" in json.dumps(ingredient)) is broken


def test_nothing_is_fetched(keys: Path, tmp_path: Path) -> None:
    """A file may name a manifest elsewhere; to look there would tell who reads which picture."""
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    key, chain = ((keys / name).read_text() for name in ("key.pem", "chain.pem"))
    plain = tmp_path / "plain.jpg"
    Image.fromarray(scene(40, 50)).save(plain)
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        builder = c2pa.Builder({"claim_generator_info": [{"name": "x"}]})
        builder.set_intent(
            c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE
        )
        builder.set_no_embed()
        builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
        info = c2pa.C2paSignerInfo("es256", chain.encode(), key.encode(), None)
        with plain.open("rb") as source, (tmp_path / "remote.jpg").open("w+b") as target:
            builder.sign(c2pa.Signer.from_info(info), "image/jpeg", source, target)
        found = read_manifest(tmp_path / "remote.jpg")
        with pytest.raises(c2pa.C2paError):
            c2pa.Reader(str(tmp_path / "remote.jpg"))
        assert asked == ["/manifest.c2pa"], "the library's own settings would look"
        asked.clear()
        assert read_manifest(tmp_path / "remote.jpg") == found
        assert asked == []
        server.shutdown()
    assert found.state == "none"
    assert "must fetch remote manifests" in found.codes[0]


def test_one_signer_for_many_threads(keys: Path, signer: Signer, tmp_path: Path) -> None:
    anchors = (keys / "anchor.pem").read_text()
    photo = opened(shelve(tmp_path, scene(30, 40)), signer)

    def made(number: int) -> str:
        path = tmp_path / f"{number}.jpg"
        plate_for(photo).print_on(photo, ORIGIN).save(path, signer=signer)
        return read_manifest(path, anchors).state

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(made, range(24))) == {"trusted"}


@pytest.mark.parametrize("content", [b"", b"Dear Sir", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0"])
def test_files_that_are_no_pictures(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_bytes(content)
    assert read_manifest(path).state in ("none", "unreadable")


def test_a_manifest_cut_short(signer: Signer, tmp_path: Path) -> None:
    path = printed(tmp_path, signer, "jpg")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"c2pa.claim.v2", b"c2pa.c\0aim.v2"))
    assert read_manifest(path).state in ("invalid", "unreadable")


# --- what cannot sign ----------------------------------------------------------------------------


def pem(key: Any, password: bytes | None = None) -> bytes:
    encryption: Any = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda key, chain: (b"no key", chain), "c2pa_key: not a PEM private key"),
        (lambda key, chain: (chain, chain), "c2pa_key: not a PEM private key"),
        (lambda key, chain: (key, b"no chain"), "c2pa_chain: not a chain"),
        (lambda key, chain: (key, chain[chain.rindex(b"-----BEGIN") :]), "first certificate"),
        (lambda key, chain: (pem(ec.generate_private_key(ec.SECP256R1())), chain), "first cert"),
    ],
    ids=["text", "certificate", "no chain", "root first", "another key"],
)
def test_what_is_no_key_and_chain(
    spoil: Callable[[bytes, bytes], tuple[bytes, bytes]], message: str, keys: Path
) -> None:
    pair = spoil((keys / "key.pem").read_bytes(), (keys / "chain.pem").read_bytes())
    with pytest.raises(SettingsError, match=message) as caught:
        Signer(*pair)
    assert "BEGIN" not in str(caught.value)


def test_a_key_with_a_password(keys: Path) -> None:
    key = serialization.load_pem_private_key((keys / "key.pem").read_bytes(), None)
    with pytest.raises(SettingsError, match="without a password"):
        Signer(pem(key, b"secret"), (keys / "chain.pem").read_bytes())


def test_kinds_of_keys() -> None:
    assert ours._algorithm(ed25519.Ed25519PrivateKey.generate()) == "ed25519"
    assert ours._algorithm(ec.generate_private_key(ec.SECP384R1())) == "es384"
    assert ours._algorithm(rsa.generate_private_key(65537, 2048)) == "ps256"
    with pytest.raises(SettingsError, match="no such key"):
        ours._algorithm(ec.generate_private_key(ec.SECP256K1()))


def test_a_certificate_that_is_over(
    keys: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Later:
            return cls(2099, 1, 1, tzinfo=tz)

    monkeypatch.setattr(ours, "datetime", Later)
    with pytest.raises(SettingsError, match="which is not today"):
        Signer((keys / "key.pem").read_bytes(), (keys / "chain.pem").read_bytes())


def test_a_time_stamp_that_cannot_be_had_fails_the_print(keys: Path, tmp_path: Path) -> None:
    key, chain = ((keys / name).read_bytes() for name in ("key.pem", "chain.pem"))
    signer = Signer(key, chain, "http://127.0.0.1:9/stamp")
    with pytest.raises(PrintError, match="C2PA"):
        printed(tmp_path, signer, "jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["original.tif"]


def test_a_signature_that_does_not_hold_fails_the_print(
    signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = Signer.sign

    def spoilt(self: Signer, path: Path, *arguments: Any) -> None:
        sign(self, path, *arguments)
        data = bytearray(path.read_bytes())
        data[-200] ^= 1
        path.write_bytes(data)

    monkeypatch.setattr(Signer, "sign", spoilt)
    with pytest.raises(ProofError, match="does not hold"):
        printed(tmp_path, signer, "jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["original.tif"]


def test_a_recipe_that_asks_for_it_is_never_printed_without(tmp_path: Path) -> None:
    photo = Photo.open(shelve(tmp_path, scene(20, 30)))
    with pytest.raises(PrintError, match="needs a signer"):
        plate_for(photo).print_on(photo).save(
            tmp_path / "p.png", PrintRecipe(format="png", c2pa=True)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["original.tif"]


def test_a_test_chain_is_made_once_and_its_key_is_private(keys: Path) -> None:
    assert stat.S_IMODE((keys / "key.pem").stat().st_mode) == 0o600
    with pytest.raises(SettingsError, match="there already"):
        make_test_chain(keys, "Another")


def test_without_the_extra_there_is_a_word_about_it(
    monkeypatch: pytest.MonkeyPatch, keys: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(ours, "is_installed", lambda: False)
    assert read_manifest(tmp_path / "any.jpg") == Manifest("not checked")
    with pytest.raises(SettingsError, match=r"photochrom\[c2pa\]"):
        Signer((keys / "key.pem").read_bytes(), (keys / "chain.pem").read_bytes())


def test_it_is_not_loaded_unless_it_is_used() -> None:
    code = (
        "from photochrom.colorize.picture import printing; import sys; "
        "sys.exit('c2pa' in sys.modules or 'cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
