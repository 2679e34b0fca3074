# The commands. What they do is in hack/ and CMake; each says what it does before it does it.
.PHONY: help deps build test demo images lint fmt render fuzz bench clean
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# make fuzz SECONDS=600 TARGETS="plan_fuzz arp_packet_fuzz": how long each fuzz target runs, and which; all unless said.
# (make sets SECONDS for nobody else.)
SECONDS ?= 60

help:
	@echo 'make deps    install what building, testing and the demo need (Debian 12)'
	@echo 'make build   build the programs and their tests: build/bin/openelb-controller, build/bin/openelb-speaker'
	@echo 'make test    build and run every test; ends with "N passed, N failed"'
	@echo 'make demo    the multi-router topology with real routers and traffic; KEEP=1 leaves it up,'
	@echo '             KUBERNETES=1 types the documented procedure on a real control plane'
	@echo 'make images  build/images/*.tar: the container images, as OCI archives, and their digests'
	@echo 'make lint    check format, sizes, includes; clang-tidy on changed files (ALL=1: on every file)'
	@echo 'make fmt     format the C++ sources in place'
	@echo 'make render  write what is kept rendered: config/openelb.yaml, config/bundle/manifests'
	@echo 'make fuzz    run each fuzz target, or TARGETS="...", for SECONDS=60'
	@echo 'make bench   run the benchmarks'
	@echo 'make clean   remove what was built'

deps:
	@echo '== installing what is missing'
	@hack/deps

build: deps
	@echo '== building into build/'
	@cmake -S . -B build -G Ninja --log-level=WARNING
	@ninja -C build

# Not a prerequisite: what goes wrong here too has to end with the line that tells the result.
test:
	@echo '== installing what is missing'
	@hack/deps || { echo '0 passed, 1 failed'; exit 1; }
	@echo '== building and running every test'
	@hack/test

demo: deps
	@echo '== building the programs into build/'
	@cmake -S . -B build -G Ninja --log-level=WARNING
	@ninja -C build openelb-controller openelb-speaker
ifneq ($(filter-out 0,$(KUBERNETES)),)
	@echo '== building the control plane: minutes at the first time, then kept'
	@hack/controlplane/build >/dev/null
endif
	@echo '== running the demo in network namespaces'
	@$(if $(filter 0,$(shell id -u)),,sudo) env KEEP=$(KEEP) $(if $(filter-out 0,$(KUBERNETES)),\
	  OPENELB_CONTROL_PLANE_BIN="$${OPENELB_CONTROL_PLANE_BIN:-$$(hack/controlplane/build --where)}" hack/lab/demo_kubernetes.py,hack/lab/demo.py)

images: deps
	@echo '== building the programs into build/, their images into build/images/'
	@cmake -S . -B build -G Ninja --log-level=WARNING
	@ninja -C build openelb-controller openelb-speaker
	@hack/image

lint: deps
	@echo '== checking the sources'
	@hack/lint $(if $(ALL),--all)

fmt: deps
	@echo '== formatting the C++ sources'
	@git ls-files --cached --others --exclude-standard -- '*.cc' '*.h' | xargs clang-format-19 -i

render: deps
	@echo '== rendering config/default'
	@hack/render

fuzz: deps
	@echo '== fuzzing each target for $(SECONDS) s'
	@hack/fuzz $(SECONDS) $(TARGETS)

bench: deps
	@echo '== building and running the benchmarks'
	@hack/bench

clean:
	@echo '== removing build*/'
	@rm -rf build build-*
