# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   make run       install what is missing, build, run (ARGS="--json")      make test    all tests, one summary
#   make           build/sockwatch                                          make bench   cost and speed
#   make deps      only install what is missing                             make lint    all checks of the sources
#   make install   PREFIX=/usr/local DESTDIR=                               make asan    unit tests under ASan, UBSan
#   make torture   owners and holders at random: TORTURE_SECONDS=300 TORTURE_SEED=
#   make test-kernels   the live tests in emulated kernels, 5.10 to 7       make ARCH=arm64   cross-build into build/arm64
#
# V=1 shows the commands. Everything made is in build/ (B=another folder).

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# The tools of administrators are not on everybody's PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# The machine's own, or arm64: cross-built into a folder of its own.
HOST := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
ARCH ?= $(HOST)
CROSS := $(if $(filter-out $(HOST),$(ARCH)),$(if $(filter arm64,$(ARCH)),aarch64-linux-gnu,$(error ARCH is $(HOST) or arm64)))

B ?= build$(if $(CROSS),/$(ARCH))
ARGS ?=
V ?= 0
PREFIX ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := $(CROSS:%=%-)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS:%=%-)ar
endif
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL ?= bpftool

ifeq ($(V),1)
Q :=
say := @:
else
Q := @
say := @echo
endif

# Goals that install packages or run something first make what they need by a make of their own, so they are done one
# after the other; within that make -j counts.
STEPS := clean deps test-deps lint-deps run test test-unit test-live test-scenario torture test-kernels bench lint asan install
ifneq ($(filter $(STEPS),$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

.PHONY: all programs objects uninstall $(STEPS)
all: $(B)/sockwatch

# ---- packages: NAME=a command, or a file below /usr, that tells that it is there

DEPS := clang=clang llvm=llvm-strip bpftool=bpftool gcc=gcc \
	libc6-dev=include/stdio.h linux-libc-dev=include/linux/inet_diag.h \
	libbpf-dev=include/bpf/libbpf.h libmnl-dev=include/libmnl/libmnl.h libcap-ng-dev=include/cap-ng.h \
	libsmartcols-dev=include/libsmartcols/libsmartcols.h
TEST_DEPS := libcmocka-dev=include/cmocka.h libjansson-dev=include/jansson.h liburing-dev=include/liburing.h \
	nginx-light=nginx openssh-server=sshd openssh-client=ssh curl=curl iproute2=ss net-tools=netstat libbpf-tools=tcplife groff-base=groff \
	postgresql=lib/postgresql/*/bin/initdb ucspi-tcp=tcpserver systemd=systemd-socket-activate haproxy=haproxy
VM_DEPS := qemu-system-x86=qemu-system-x86_64 qemu-system-arm=qemu-system-aarch64 binutils=readelf cpio=cpio \
	xz-utils=xz zstd=zstd
LINT_DEPS := clang-format=clang-format clang-tidy=clang-tidy cppcheck=cppcheck
ifneq ($(CROSS),)
cross_libraries = $(foreach name,$(1),lib$(name)-dev:$(ARCH)=lib/$(CROSS)/lib$(name).so)
DEPS += gcc-$(CROSS)=$(CROSS)-gcc $(call cross_libraries,bpf mnl cap-ng smartcols)
TEST_DEPS += $(call cross_libraries,cmocka jansson uring)
endif

# $(call need,list): nothing, and no network, when all are there. The services among them are not started.
define need
@missing=; \
for dep in $(1); do \
	probe=$${dep#*=}; \
	case $$probe in */*) set -- /usr/$$probe; test -e "$$1" ;; *) command -v "$$probe" >/dev/null ;; esac || \
		missing="$$missing $${dep%%=*}"; \
done; \
test -n "$$missing" || exit 0; \
if ! command -v apt-get >/dev/null; then \
	echo "sockwatch: there is no apt-get here; install what your system calls:$$missing" >&2; exit 1; \
fi; \
if [ "$$(id -u)" != 0 ]; then \
	echo "sockwatch: packages are missing; as root: apt-get install$$missing" >&2; exit 1; \
fi; \
echo "APT$$missing"; \
export DEBIAN_FRONTEND=noninteractive; \
$(if $(CROSS),dpkg --add-architecture $(ARCH);) \
policy=/usr/sbin/policy-rc.d; \
test -e $$policy || { trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; }; \
apt-get -qq update && apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install $$missing
endef

deps:
	$(call need,$(DEPS))

test-deps:
	$(call need,$(DEPS) $(TEST_DEPS))

lint-deps:
	$(call need,$(DEPS) $(TEST_DEPS) $(LINT_DEPS))

# ---- flags

CFLAGS ?= -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
WARNINGS := -Wall -Wextra -Wshadow -Wformat-signedness -Werror
# clang 14 does not know every name that gcc knows
WARNINGS += $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option)
HARDENING := -fstack-protector-strong -fPIE
SANITIZE ?=

CPPFLAGS_ALL := -D_GNU_SOURCE -Isrc -Iinclude -I$(B)/bpf $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDENING) $(SANITIZE)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) $(SANITIZE)
LIBS := -lbpf -lmnl -lcap-ng -lsmartcols -pthread
TEST_LIBS := -lcmocka -ljansson -luring
BPF_CFLAGS := -target bpf -O2 -g -mcpu=v3 -Wall -Werror -D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -Iinclude -Ibpf

# Rewritten only when they would differ: what was compiled is made again when a flag changed, what was linked also when a
# source came or went.
FLAGS := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) / $(LDFLAGS_ALL) $(LIBS) $(TEST_LIBS) / $(CLANG) $(BPF_CFLAGS) $(BPFTOOL)
.PHONY: FORCE
FORCE:
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
$(B)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(sort $(ALL_C))' | cmp -s - $@ || echo '$(sort $(ALL_C))' >$@

# ---- what is made of what

SRC := $(wildcard src/*/*.c)
BPF := $(wildcard bpf/*.bpf.c)
BENCH_BPF := $(wildcard tests/bench/*.bpf.c)
SKELETONS := $(BPF:%.bpf.c=$(B)/%.skel.h)
BENCH_SKELETONS := $(BENCH_BPF:tests/bench/%.bpf.c=$(B)/bpf/%.skel.h)
OBJ := $(SRC:%.c=$(B)/obj/%.o)
LIB_OBJ := $(filter-out $(B)/obj/src/cmd/main.o,$(OBJ))

objects_of = $(patsubst %.c,$(B)/obj/%.o,$(1))
helpers_of = $(call objects_of,$(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c)))
tests_of = $(patsubst %.c,$(B)/%,$(wildcard tests/$(1)/test_*.c))

COMMON_OBJ := $(call objects_of,$(wildcard tests/common/*.c))
UNIT := $(call tests_of,unit)
LIVE := $(call tests_of,live)
SCENARIO := $(call tests_of,scenario)
FUZZ := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
# Programs that tests and bench run as the load; each is one file.
TOOLS := $(patsubst tests/%.c,$(B)/%,$(filter-out $(BENCH_BPF),$(wildcard tests/bench/*.c tests/load/*.c)))
ALL_C := $(SRC) $(filter-out $(BENCH_BPF),$(wildcard tests/*/*.c))

programs: $(B)/sockwatch $(UNIT) $(FUZZ) $(LIVE) $(SCENARIO) $(TOOLS)
objects: $(SKELETONS) $(BENCH_SKELETONS) $(call objects_of,$(ALL_C))

define compile_bpf
$(say) "BPF $<"
@mkdir -p $(@D)
$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@
$(Q)$(LLVM_STRIP) -g $@
endef

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(B)/flags
	$(compile_bpf)

$(B)/bpf/%.bpf.o: tests/bench/%.bpf.c $(B)/flags
	$(compile_bpf)

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(say) "SKEL $@"
	$(Q)echo '/* NOLINTBEGIN: made by bpftool */' >$@ && $(BPFTOOL) gen skeleton $< name $(*F)_bpf >>$@ && \
		echo '/* NOLINTEND */' >>$@

# The first build has no dependency files yet: then whoever includes the skeleton must wait for it.
$(filter $(B)/obj/src/source/bpf%.o $(B)/obj/src/source/iter%.o,$(OBJ)): $(SKELETONS)
$(call objects_of,$(BENCH_BPF:%.bpf.c=%.c)): $(BENCH_SKELETONS)

$(B)/obj/%.o: %.c $(B)/flags
	$(say) "CC $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(if $(filter tests/%,$<),-Itests) -MMD -MP -c $< -o $@

define link
$(say) "LD $@"
@mkdir -p $(@D)
$(Q)$(CC) $(LDFLAGS_ALL) $(filter %.o %.a,$^) $(LIBS) $(1) -o $@
endef

$(B)/sockwatch: $(OBJ) $(B)/sources
	$(call link)

$(UNIT): $(B)/%: $(B)/obj/%.o $(call helpers_of,unit) $(COMMON_OBJ) $(LIB_OBJ) $(B)/sources
	$(call link,$(TEST_LIBS))

$(LIVE): $(B)/%: $(B)/obj/%.o $(call helpers_of,live) $(COMMON_OBJ) $(LIB_OBJ) $(B)/sources
	$(call link,$(TEST_LIBS))

$(SCENARIO): $(B)/%: $(B)/obj/%.o $(call helpers_of,scenario) $(COMMON_OBJ) $(LIB_OBJ) $(B)/sources
	$(call link,$(TEST_LIBS))

$(FUZZ): $(B)/%: $(B)/obj/%.o $(B)/obj/tests/fuzz/replay.o $(LIB_OBJ) $(B)/sources
	$(call link,$(TEST_LIBS))

# A tool takes only what it calls.
$(TOOLS): $(B)/%: $(B)/obj/tests/%.o $(B)/tools.a
	$(call link,$(TEST_LIBS))

$(B)/tools.a: $(LIB_OBJ) $(COMMON_OBJ) $(B)/sources
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

-include $(wildcard $(patsubst %.c,$(B)/obj/%.d,$(ALL_C)) $(BPF:%.c=$(B)/%.d) $(BENCH_SKELETONS:%.skel.h=%.bpf.d))

# ---- run and test

SCRIPTS := $(shell find tests/scenario -name '*.sh' -perm -u+x 2>/dev/null | sort)
unit_programs := $(UNIT) $(FUZZ)
live_programs := $(LIVE)
scenario_programs := $(SCENARIO) $(SCRIPTS)

# The schema's and the program's place are for the tests' sake relative to the root of the sources.
RUN := V=$(V) BUILD=$(B) SOCKWATCH=$(B)/sockwatch SOCKWATCH_SCHEMA=src/data/sockwatch.schema.json

run:
	@test "$$(id -u)" = 0 || { echo "sockwatch: make run needs root: it installs packages and loads programs into" \
		"the kernel; try: sudo make run" >&2; exit 1; }
	$(call need,$(DEPS))
	@$(MAKE) all
	@$(B)/sockwatch $(ARGS)

test: test-deps
	@$(MAKE) programs
	@$(RUN) tests/run $(unit_programs) $(live_programs) $(scenario_programs)

test-unit: test-deps
	@$(MAKE) all $(unit_programs)
	@$(RUN) tests/run $(unit_programs)

test-live: test-deps
	@$(MAKE) all $(live_programs) $(TOOLS)
	@$(RUN) tests/run $(live_programs)

test-scenario: test-deps
	@$(MAKE) all $(SCENARIO) $(TOOLS)
	@$(RUN) tests/run $(scenario_programs)

TORTURE_SECONDS ?= 300
TORTURE_SEED ?=
torture: test-deps
	@$(MAKE) all $(B)/tests/live/test_torture
	@V=1 TORTURE_SECONDS=$(TORTURE_SECONDS) TORTURE_SEED=$(TORTURE_SEED) $(RUN) tests/run $(B)/tests/live/test_torture

# tests/vm/kernels names them: KERNELS="5.10 7"; all when it is left out
KERNELS ?=
UPDATE_README ?=
test-kernels: test-deps
	$(call need,$(VM_DEPS))
	@$(MAKE) programs
ifneq ($(if $(KERNELS),$(findstring arm64,$(KERNELS)),arm64),)
	@$(MAKE) ARCH=arm64 test-deps
	@$(MAKE) ARCH=arm64 programs
endif
	@BUILD=$(B) UPDATE_README=$(UPDATE_README) tests/vm/matrix $(KERNELS)
	@BUILD=$(B) tests/vm/boots $(KERNELS)

bench: test-deps
	@$(MAKE) all $(TOOLS)
	@$(RUN) tests/bench/run

asan: test-deps
	@$(MAKE) B=build/asan CFLAGS="-O1 -g -fno-omit-frame-pointer" \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" asan-run

.PHONY: asan-run
asan-run: $(B)/sockwatch $(unit_programs)
	@$(RUN) tests/run $(unit_programs)

# ---- lint: tests/lint/run names the checks; here is what needs the flags of the build

lint: lint-deps
	@MAKE="$(MAKE)" V=$(V) tests/lint/run

TIDY := $(patsubst %.c,$(B)/tidy/%.ok,$(ALL_C)) $(patsubst %,$(B)/tidy/%.ok,$(BPF))
TIDY_FLAGS := $(CPPFLAGS_ALL) $(CFLAGS_ALL) -Itests -include tests/lint/analyzer.h
.PHONY: tidy
tidy: $(TIDY)

# After the object, which has the list of headers; so only what changed is looked at again.
$(B)/tidy/%.ok: $(B)/obj/%.o .clang-tidy tests/lint/analyzer.h
	$(say) "TIDY $*.c"
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $*.c -- $(TIDY_FLAGS) >$@.out 2>&1 || \
		{ cat $@.out; exit 1; }
	@touch $@

$(B)/tidy/%.bpf.c.ok: $(B)/%.bpf.o .clang-tidy
	$(say) "TIDY $*.bpf.c"
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $*.bpf.c -- $(BPF_CFLAGS) >$@.out 2>&1 || \
		{ cat $@.out; exit 1; }
	@touch $@

# ---- install

man := $(wildcard src/data/*.[1-8])
completion := $(wildcard src/data/*.bash)
units := $(wildcard src/data/*.service)
installed := sbin/sockwatch share/sockwatch/sockwatch.schema.json \
	$(foreach page,$(man),share/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
	$(completion:src/data/%.bash=share/bash-completion/completions/%) \
	$(units:src/data/%=lib/systemd/system/%)

install:
	@$(MAKE) all
	$(Q)install -D -m 755 $(B)/sockwatch $(DESTDIR)$(PREFIX)/sbin/sockwatch
	$(Q)install -D -m 644 src/data/sockwatch.schema.json $(DESTDIR)$(PREFIX)/share/sockwatch/sockwatch.schema.json
	$(Q)for page in $(man); do install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page; done
	$(Q)for file in $(completion); do \
		install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$(basename $$file .bash); \
	done
	$(Q)for unit in $(units); do \
		sed 's|/usr/local/|$(PREFIX)/|' $$unit | install -D -m 644 /dev/stdin \
			$(DESTDIR)$(PREFIX)/lib/systemd/system/$$(basename $$unit); \
	done

uninstall:
	$(Q)rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(installed))
	$(Q)rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/share/sockwatch 2>/dev/null || :

clean:
	$(Q)rm -rf $(B)
