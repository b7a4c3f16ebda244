"""Real data sets from a server: here one on loopback, which sends small files in the real format, or misbehaves."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograder.cli import Profile, Source, _environment
from coursekit import data, download, taco
from coursekit.download import Archive, DownloadError, Published

REAL_FOLDER = os.environ.get("COURSE_DATA", "")


class Server:
    """Serves `files` by path; `troubles` are what it does instead, one a request, until there are none left."""

    def __init__(self):
        self.files = {}
        self.troubles = {}
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append((self.path, dict(self.headers)))
                troubles = server.troubles.get(self.path, [])
                trouble = troubles.pop(0) if troubles else None
                content = server.files.get(self.path)
                if isinstance(trouble, int) or content is None:
                    self.send_error(trouble or 404)
                    return
                first = start(self.headers) if "Range" in self.headers and trouble != "no ranges" else 0
                if first >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if first else 200)
                if trouble != "no length":
                    self.send_header("Content-Length", str(len(content) - first))
                self.end_headers()
                content = {"wrong bytes": bytes(len(content))}.get(trouble, content)[first:]
                self.wfile.write(content[: len(content) // 2] if trouble == "breaks off" else content)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def asked(self, path):
        return [headers for asked, headers in self.requests if asked == path]

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no other settings, and retries without the seconds in between."""
    for variable in ("COURSE_DATA", "COURSE_DATA_SOURCE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    return tmp_path / "cache"


def bytes_of(arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def digits(count=300):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
    y = (np.arange(count) % 10).astype(np.uint8)
    return {"x_train": x, "y_train": y, "x_test": x[:10], "y_test": y[:10]}


@pytest.fixture
def mnist(server, monkeypatch):
    """A small MNIST where it is published."""
    content = bytes_of(digits())
    server.files["/mnist.npz"] = content
    published = Published(server.url("/mnist.npz"), f"sha256:{hashlib.sha256(content).hexdigest()}")
    monkeypatch.setitem(download.ARCHIVES, "mnist", download.ARCHIVES["mnist"]._replace(file=published))
    return content


def start(headers):
    """The first byte that a request asks for."""
    return int(headers["Range"].removeprefix("bytes=").removesuffix("-"))


def cifar_archive(pictures, labels, folder="cifar-10-batches-bin", cut=0):
    """CIFAR-10's binary version, made by its description: a label, then the red, green and blue planes by rows."""
    stream = io.BytesIO()
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, some, numbers in zip(names, np.split(pictures, 6), np.split(labels, 6), strict=True):
            records = b""
            for picture, label in zip(some, numbers, strict=True):
                records += bytes([label]) + b"".join(picture[:, :, channel].tobytes() for channel in range(3))
            content = records[: len(records) - cut]
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def publish_cifar(server, monkeypatch, content):
    server.files["/cifar-10-binary.tar.gz"] = content
    published = Published(server.url("/cifar-10-binary.tar.gz"), f"md5:{hashlib.md5(content).hexdigest()}")
    monkeypatch.setitem(download.ARCHIVES, "cifar10", Archive(published, download.ARCHIVES["cifar10"].read))


# --- what is published ---


def test_the_published_addresses_and_checksums_are_those_of_the_original_files():
    published = {name: archive.file for name, archive in download.ARCHIVES.items()}
    assert published["mnist"].url.endswith("tf-keras-datasets/mnist.npz")
    assert published["mnist"].checksum == "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
    assert published["cifar10"].url == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert published["cifar10"].checksum == "md5:c32a1d4ab5d03f1284b67883e8d87530"
    assert taco.ANNOTATIONS.url.startswith("https://raw.githubusercontent.com/pedropro/TACO/")
    assert all(file.url.startswith("https://") for file in published.values())


# --- a download ---


def test_a_data_set_is_fetched_once_and_kept_as_one_file(server, mnist, cache):
    path = download.fetch("mnist")
    assert path == cache / "mnist.npz"
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["x_train"], digits()["x_train"])
        np.testing.assert_array_equal(file["y_test"], digits()["y_test"])
    assert download.fetch("mnist") == path
    assert len(server.requests) == 1
    assert list((cache / "published").iterdir()) == []


def test_the_server_is_told_who_asks(server, mnist):
    download.fetch("mnist")
    assert server.asked("/mnist.npz")[0]["User-Agent"] == download.USER_AGENT


def test_progress_is_told_in_bytes(server, mnist):
    told = []
    download.fetch("mnist", lambda *each: told.append(each))
    assert told[-1] == ("mnist.npz", len(mnist), len(mnist))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_cifar10_is_read_from_its_binary_version(server, monkeypatch):
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 256, (24, 32, 32, 3)).astype(np.uint8)
    labels = (np.arange(24) % 10).astype(np.uint8)
    publish_cifar(server, monkeypatch, cifar_archive(pictures, labels))
    with np.load(download.fetch("cifar10"), allow_pickle=False) as file:
        np.testing.assert_array_equal(file["x_train"], pictures[:20])
        np.testing.assert_array_equal(file["y_train"], labels[:20])
        np.testing.assert_array_equal(file["x_test"], pictures[20:])
        np.testing.assert_array_equal(file["y_test"], labels[20:])


@pytest.mark.parametrize("other", [{"folder": "elsewhere"}, {"cut": 1}], ids=["no such members", "a cut record"])
def test_an_archive_of_another_form_is_refused(server, monkeypatch, cache, other):
    pictures = np.zeros((6, 32, 32, 3), np.uint8)
    publish_cifar(server, monkeypatch, cifar_archive(pictures, np.zeros(6, np.uint8), **other))
    with pytest.raises(DownloadError, match="has not the form it was published in"):
        download.fetch("cifar10")
    assert not (cache / "cifar10.npz").exists()


def test_pickled_arrays_are_refused_even_with_the_right_checksum(server, monkeypatch, cache):
    content = bytes_of(digits() | {"y_train": np.array([{}] * 300, dtype=object)})
    server.files["/mnist.npz"] = content
    published = Published(server.url("/mnist.npz"), f"sha256:{hashlib.sha256(content).hexdigest()}")
    monkeypatch.setitem(download.ARCHIVES, "mnist", download.ARCHIVES["mnist"]._replace(file=published))
    with pytest.raises(DownloadError, match="has not the form"):
        download.fetch("mnist")
    assert not (cache / "mnist.npz").exists()


def test_what_cannot_be_downloaded_is_refused_with_what_can():
    with pytest.raises(DownloadError, match="mnist, cifar10, litter"):
        download.fetch("parcels")


# --- troubles ---


def test_a_connection_that_breaks_off_is_gone_on_with_where_it_stopped(server, mnist):
    server.troubles["/mnist.npz"] = ["breaks off"]
    path = download.fetch("mnist")
    first, second = server.asked("/mnist.npz")
    assert "Range" not in first
    # All but the last piece that had come.
    assert len(mnist) // 4 < start(second) <= len(mnist) // 2
    with np.load(path) as file:
        np.testing.assert_array_equal(file["x_train"], digits()["x_train"])


def test_what_broke_off_for_good_is_gone_on_with_by_the_next_run(server, mnist, cache):
    server.troubles["/mnist.npz"] = ["breaks off", 503, 503]
    with pytest.raises(DownloadError, match="Try again: what is there is kept"):
        download.fetch("mnist")
    assert not (cache / "mnist.npz").exists()
    download.fetch("mnist")
    assert len(mnist) // 4 < start(server.asked("/mnist.npz")[-1]) <= len(mnist) // 2


def test_a_server_that_knows_no_ranges_is_asked_for_everything_again(server, mnist):
    server.troubles["/mnist.npz"] = ["breaks off", "no ranges"]
    assert download.fetch("mnist").is_file()


def test_a_part_that_is_the_whole_file_is_not_fetched_again(server, mnist, cache):
    (cache / "published").mkdir(parents=True)
    (cache / "published" / "mnist.npz.part").write_bytes(mnist)
    assert download.fetch("mnist").is_file()
    assert len(server.requests) == 1


def test_a_part_of_another_file_is_thrown_away(server, mnist, cache):
    (cache / "published").mkdir(parents=True)
    (cache / "published" / "mnist.npz.part").write_bytes(b"something else")
    assert download.fetch("mnist").is_file()
    assert "Range" not in server.asked("/mnist.npz")[-1]


def test_wrong_bytes_never_reach_the_cache(server, mnist, cache):
    server.troubles["/mnist.npz"] = ["wrong bytes"] * 3
    with pytest.raises(DownloadError, match="without the published checksum"):
        download.fetch("mnist")
    assert list(cache.glob("**/*.npz*")) == []
    assert download.fetch("mnist").is_file()


def test_a_truncated_file_that_looks_whole_is_told_by_its_checksum(server, mnist):
    # Without a length the end of the connection is the end of the file.
    server.files["/mnist.npz"] = mnist[:-10]
    server.troubles["/mnist.npz"] = ["no length"]
    with pytest.raises(DownloadError, match="without the published checksum"):
        download.fetch("mnist")


def test_a_file_that_is_gone_is_asked_for_once_and_the_remedy_is_told(server, mnist):
    server.files.clear()
    with pytest.raises(DownloadError, match=r"404.*set COURSE_DATA"):
        download.fetch("mnist")
    assert len(server.requests) == 1


def test_a_server_that_is_busy_is_asked_again(server, mnist):
    server.troubles["/mnist.npz"] = [503, 429]
    assert download.fetch("mnist").is_file()


def test_a_server_that_is_not_there_is_told(server, monkeypatch):
    port = server.http.server_port
    server.http.server_close()
    published = Published(f"http://127.0.0.1:{port}/mnist.npz", "sha256:00")
    monkeypatch.setitem(download.ARCHIVES, "mnist", download.ARCHIVES["mnist"]._replace(file=published))
    with pytest.raises(DownloadError, match="could not be fetched"):
        download.fetch("mnist")


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DownloadError, match=r"cannot be written.*COURSE_CACHE"):
        download.fetch("mnist")


# --- with load ---


def test_nothing_is_fetched_unless_asked_for(server, mnist):
    assert data.source("mnist") == "stand-in"
    assert server.requests == []


def test_real_data_that_are_asked_for_are_fetched(server, mnist, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    assert data.source("mnist") == "download"
    assert server.requests == []
    mnist = data.load("mnist")
    assert mnist.source == "download"
    assert (len(mnist.x_train), len(mnist.x_val), len(mnist.x_test)) == (270, 30, 10)
    assert "downloaded" in capsys.readouterr().out
    np.testing.assert_array_equal(data.holdout("mnist")[0], mnist.x_test)
    assert len(server.requests) == 1


def test_what_has_been_downloaded_is_used_from_then_on(server, mnist, monkeypatch):
    download.fetch("mnist")
    assert data.source("mnist") == "download"
    assert data.source("cifar10") == "stand-in"
    monkeypatch.setenv("COURSE_DATA_SOURCE", "standin")
    assert data.source("mnist") == "stand-in"


def test_a_course_with_its_own_data_folder_does_not_mix_it_with_downloads(server, mnist, monkeypatch, tmp_path):
    download.fetch("mnist")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert data.source("mnist") == "stand-in"


def test_a_load_that_cannot_fetch_says_why_and_what_else_there_is(server, mnist, monkeypatch):
    server.files.clear()
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    with pytest.raises(data.DataError, match=r"404.*COURSE_DATA_SOURCE=standin"):
        data.load("mnist")


def test_the_command_fetches_what_it_is_told_and_says_where_it_is(server, mnist, cache, capsys):
    assert download.main(["mnist", "mnist"]) == 0
    assert capsys.readouterr().out == f"mnist: {cache / 'mnist.npz'}\n"


def test_the_command_fails_in_words(server, mnist, capsys):
    server.files.clear()
    assert download.main(["mnist"]) == 1
    assert "404" in capsys.readouterr().err


def test_a_cache_that_may_not_be_looked_into_is_none(monkeypatch):
    def refuse(_):
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", refuse)
    assert data.source("mnist") == "stand-in"


# --- with the grader ---


def test_a_class_is_marked_on_stand_ins_whatever_somebody_has_downloaded(server, mnist):
    download.fetch("mnist")
    assert dict(_environment(Profile.CPU, None))["COURSE_DATA_SOURCE"] == "standin"


def test_real_data_for_a_class_are_those_of_the_cache_without_a_folder(server, mnist, cache, monkeypatch, tmp_path):
    assert "COURSE_DATA" not in dict(_environment(Profile.CPU, Source.REAL))
    download.fetch("mnist")
    assert dict(_environment(Profile.CPU, Source.REAL))["COURSE_DATA"] == str(cache)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert dict(_environment(Profile.CPU, Source.REAL))["COURSE_DATA"] == str(tmp_path)


# --- TACO ---


def photograph(bottle, size=(320, 240)):
    """A grey photograph with noise, and a white upright box where the bottle is."""
    rng = np.random.default_rng(7)
    picture = rng.integers(60, 120, (size[1], size[0], 3)).astype(np.uint8)
    if bottle:
        left, top, wide, high = bottle
        picture[top : top + high, left : left + wide] = 250
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=95)
    return stream.getvalue()


BOTTLE = (40, 60, 40, 110)


@pytest.fixture
def litter(server, monkeypatch):
    """Forty photographs as TACO has them, half of them with a bottle; boxes are those of larger originals."""
    categories = ["Plastic bottle cap", "Clear plastic bottle", "Glass bottle", "Drink can"]
    annotations = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories)],
    }
    for number in range(40):
        with_bottle = number % 2 == 0
        server.files[f"/{number}_z.jpg"] = photograph(BOTTLE if with_bottle else None)
        original = {"id": number, "width": 1280, "height": 960, "flickr_url": server.url(f"/{number}_o.jpg")}
        annotations["images"].append(original | {"flickr_640_url": server.url(f"/{number}_z.jpg")})
        boxes = [(1 + number % 3 % 2, [4 * side for side in BOTTLE])] if with_bottle else []
        for category, box in [*boxes, (0, [4, 4, 40, 40]), (3, [800, 300, 200, 280])]:
            annotations["annotations"].append({"image_id": number, "category_id": category, "bbox": box})
    content = json.dumps(annotations).encode()
    server.files["/annotations.json"] = content
    published = Published(server.url("/annotations.json"), f"sha256:{hashlib.sha256(content).hexdigest()}")
    monkeypatch.setattr(taco, "ANNOTATIONS", published)
    monkeypatch.setattr(taco, "PAUSE", 0.0)
    return server


def test_litter_is_cut_from_photographs_with_and_without_a_bottle(litter, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_SOURCE", "real")
    pictures = data.load("litter")
    assert pictures.x_train.shape[1:] == (50, 50)
    for split in ("train", "val", "test"):
        x, y = getattr(pictures, f"x_{split}"), getattr(pictures, f"y_{split}")
        # A whole bottle is white on grey and fills a good part of its crop; where there is none, nothing is white.
        white = (x > 200).mean(axis=(1, 2))
        assert set(y.tolist()) == {0, 1}
        assert white[y == 1].min() > 0.1
        assert white[y == 0].max() == 0


def test_bottles_are_as_rare_as_in_the_lecture(litter):
    with np.load(download.fetch("litter")) as file:
        assert file["y_train"].mean() == pytest.approx(0.37, abs=0.03)
        assert file["y_test"].mean() < 0.3
        assert file["photographs"].tolist() == [40, 0]


def test_photographs_that_are_gone_are_skipped_and_counted(litter):
    for number in (3, 4, 5):
        del litter.files[f"/{number}_z.jpg"]
    litter.troubles["/6_z.jpg"] = [410]
    with np.load(download.fetch("litter")) as file:
        assert file["photographs"].tolist() == [36, 4]


def test_a_run_that_failed_goes_on_without_asking_twice(litter, cache):
    gone = [f"/{number}_z.jpg" for number in range(5)]
    for path in gone:
        litter.troubles[path] = [503]
    del litter.files["/7_z.jpg"]
    with pytest.raises(DownloadError, match=r"5 of 40 photographs.*Try again"):
        download.fetch("litter")
    assert not (cache / "litter.npz").exists()
    download.fetch("litter")
    assert {path: len(litter.asked(path)) for path, _ in litter.requests if "_z" in path} == {
        f"/{number}_z.jpg": 2 if number < 5 else 1 for number in range(40)
    }
    assert list((cache / "published").iterdir()) == []


def test_a_photograph_that_is_no_picture_or_another_one_is_left_out(litter):
    litter.files["/1_z.jpg"] = b"<html>not here</html>"
    litter.files["/2_z.jpg"] = photograph(BOTTLE)[:900]
    litter.files["/3_z.jpg"] = photograph(None, size=(240, 320))
    with np.load(download.fetch("litter")) as file:
        assert file["photographs"].tolist() == [37, 0]


def test_the_server_of_the_photographs_is_asked_by_few_at_a_time_with_a_pause(litter, monkeypatch):
    at_once, most, lock = 0, 0, threading.Lock()
    paused = []

    def get(url):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        with download.session() as web:
            answer = download.get(web, url)
        with lock:
            at_once -= 1
        return answer

    wait = threading.Event.wait
    monkeypatch.setattr(threading.Event, "wait", lambda self, seconds=None: paused.append(seconds) or wait(self, 0))
    annotations = Path(os.environ["COURSE_CACHE"]) / "annotations.json"
    annotations.parent.mkdir(parents=True)
    annotations.write_bytes(litter.files["/annotations.json"])
    taco.litter(annotations, annotations.parent / "taco", get, pause=0.25)
    assert most <= taco.AT_A_TIME
    assert paused.count(0.25) == 40
    assert all(headers["User-Agent"] == download.USER_AGENT for _, headers in litter.requests)


def test_the_same_photographs_give_the_same_litter(litter, cache):
    with np.load(download.fetch("litter")) as file:
        first = {key: file[key] for key in file.files}
    (cache / "litter.npz").unlink()
    with np.load(download.fetch("litter")) as file:
        for key, array in first.items():
            np.testing.assert_array_equal(file[key], array)


def test_annotations_that_are_none_are_told(tmp_path):
    for text in ("", "[]", '{"images": []}', '{"images": [{"id": 1}], "annotations": [], "categories": []}'):
        (tmp_path / "annotations.json").write_text(text)
        with pytest.raises(DownloadError, match="not TACO's annotations"):
            taco.litter(tmp_path / "annotations.json", tmp_path, pytest.fail)


@pytest.mark.skipif(
    not REAL_FOLDER or not Path(REAL_FOLDER, "taco_annotations.json").is_file(), reason="COURSE_DATA has no TACO"
)
def test_the_real_annotations_are_understood():
    path = Path(REAL_FOLDER, "taco_annotations.json")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == taco.ANNOTATIONS.checksum.removeprefix("sha256:")
    photographs = taco.photographs(json.loads(path.read_text(encoding="utf-8")))
    assert len(photographs) == 1500
    bottles = [box for photo in photographs for box in photo.bottles]
    # Clear plastic, other plastic and glass bottles, counted by their names in the file.
    assert len(bottles) == 439
    assert sum(len(photo.others) for photo in photographs) == 4784 - 439
    assert all(photo.url.startswith("https://") for photo in photographs)
    assert all(box.left >= -0.01 and box.left + box.wide <= 1.01 for box in bottles)
    # Enough of them are large enough at 640 pixels to be cut.
    grey = Image.new("L", (1, 1))
    cut = 0
    for photo in photographs:
        if photo.bottles:
            wide = round(640 * min(1, photo.shape))
            with_bottle, _ = taco.crops(grey.resize((wide, round(wide / photo.shape))), photo)
            cut += len(with_bottle)
    assert cut > 650
