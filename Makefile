# A thin front to Meson: every source list is in the meson.build files.
BUILD ?= build
MESON ?= meson

.PHONY: all deps demo test bench install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@$(MESON) setup $(BUILD)

deps:
	@tools/deps

demo: deps
	@$(MAKE) --no-print-directory all
	@$(BUILD)/l4 demo

test: deps
	@tools/test

bench: all
	@bench/run $(NAME)

install: all
	@$(MESON) install -C $(BUILD)

clean:
	@rm -rf $(BUILD)
