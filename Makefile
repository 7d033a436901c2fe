# A thin front to Meson: every source list is in the meson.build files.
BUILD ?= build
MESON ?= meson

.PHONY: all everything deps demo test bench install mutants fuzz soak clean help

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) product

everything: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/deps build
	@$(MESON) setup $(BUILD)

help:
	@echo 'make           build the library and build/l4'
	@echo 'make demo      install what is missing, build, run: two hosts over a lossy link'
	@echo 'make test      install what is missing, build with both compilers and sanitizers, test'
	@echo 'make bench     compare with other stacks; NAME=... for one benchmark'
	@echo 'make install   install library, headers, tool, man pages, completions'
	@echo 'make mutants   break lines on purpose and see the tests notice; N=30 SEED=1'
	@echo 'make fuzz      libFuzzer on each target; TIME=60 seconds each, NAME=... for one'
	@echo 'make soak      slow tests over ever new seeds; L4_SOAK_SECONDS=600, NAME=long for 1 GiB with loss'
	@echo 'make clean     remove the build folders'

deps:
	@tools/deps

demo:
	@tools/deps build
	@$(MAKE) --no-print-directory all
	@$(BUILD)/l4 demo

test: deps
	@tools/test

bench: everything
	@tools/deps build bench
	@bench/run $(NAME)

install: all
	@$(MESON) install --no-rebuild -C $(BUILD)

mutants: everything
	@tools/mutants $(if $(N),-n $(N)) $(if $(SEED),-s $(SEED))

fuzz:
	@tools/deps build test
	@$(if $(TIME),TIME=$(TIME)) tools/fuzz $(NAME)

soak: everything
	@tools/soak $(NAME)

clean:
	@rm -rf $(BUILD) build-test build-fuzz
