# Two commands: `make demo` runs the main job, `make test` the tests. Each sets up what it needs.
SHELL := /bin/bash
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p))))
VENV := .venv
BIN := $(VENV)/bin

# uv does not read pip's folder of local wheels; without byte code every napari start is slow.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export PYTHONDONTWRITEBYTECODE :=
export NAPARI_CONFIG ?= $(CURDIR)/out/.napari/settings.yaml
export NAPARI_VAEMED_DATA ?= $(CURDIR)/out/.napari/data

SYSTEM := xvfb xauth libegl1 libgl1 libgl1-mesa-dri libdbus-1-3 libfontconfig1 libglib2.0-0 \
  libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0
SPREAD := -n auto --maxprocesses 4 --dist loadfile
XVFB := QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24"

CT ?=
AT ?=
OUT ?= out
NAPARI ?= $(if $(DISPLAY)$(WAYLAND_DISPLAY),show,write)

.PHONY: demo test check setup system lock clean

demo: setup
	@mkdir -p $(OUT)
	$(if $(filter show,$(NAPARI)),,$(XVFB)) $(BIN)/python -m napari_vaemed.plugin.demo \
	  --out "$(OUT)" $(if $(CT),--ct "$(CT)") $(if $(AT),--at $(AT)) \
	  $(if $(filter show,$(NAPARI)),--stay)

# Windows are tested in processes of their own: threads that a training's log leaves may stall Qt.
test: setup check
	$(XVFB) $(BIN)/python -m pytest $(SPREAD) --ignore=tests/plugin
	$(XVFB) $(BIN)/python -m pytest $(SPREAD) tests/plugin

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: system $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 is needed: apt-get install python3 python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

# Only what is missing; without apt the desktop's own libraries are trusted.
system:
	@command -v dpkg-query >/dev/null || exit 0; \
	missing=""; \
	for p in $(SYSTEM); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || \
	  dpkg-query -W -f '$${Status}' $${p}t64 2>/dev/null | grep -q 'install ok installed' || \
	  missing="$$missing $$p"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo"; else \
	  echo "These system packages are missing; install them as root: apt-get install$$missing"; exit 1; fi; \
	echo "Installing system packages:$$missing"; \
	$$run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq --no-install-recommends $$missing >/dev/null

lock:
	$(BIN)/uv pip compile pyproject.toml --extra all --extra dev --python-version 3.11 \
	  --quiet --no-header --no-annotate -o requirements.lock
	sed -i -E '/^(nvidia|cuda|triton)/d; s/\+cpu$$//' requirements.lock  # torch's own choice, by platform

clean:
	rm -rf $(VENV) out dist
