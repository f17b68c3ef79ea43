# The front door: `make help` lists what there is. Everything else is called from here.
#
# CONFIG is what `make run` builds: debug (about 1.5 minutes from nothing) or release (about 4, and the faster program).
CONFIG ?= debug
FUZZ_SECONDS ?= 60
HISTORIES ?= 10000
CLUSTERS ?= $(HISTORIES)
BENCH_PROGRAMS ?= berthd berth berth-bench berth-cluster berth-node berth-cluster-bench berth-domain berth-domain-bench
LARGE ?= 20
OUT ?= dist

# Tests that wait for other processes and connections, run apart from those that keep all cores busy, and those of a cluster
# apart from those of a domain; those of whole domains and of kubectl by themselves, because nodes leave when they cannot
# refresh for some seconds, and kubectl gives up after half a minute.
NETWORKED := HostAPITests|HostClientTests|DomainRPCTests|DomainRuntimeTests|DomainMirrorTests|DomainStatusTests
CLUSTER := ClusterStandInTests\.(Authentication|Fault|Watch)Tests|KubernetesClientTests|^ClusterTests|^NodeAgentTests
ALONE := BerthDomainTests|KubectlTests

DOCUMENTED := $(addprefix .build/debug/,berthd berth berth-domain berth-cluster berth-node)

SWIFT_FILES := Sources Tests Package.swift

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: run demo-domain demo-kubernetes test interop e2e e2e-kubernetes openapi bench simulate fuzz format lint protos docs deb images manifests clean help

run: ## build, start berthd, allocate for two services, show the map; on a terminal it serves until Ctrl-C
	@Scripts/dependencies build
	@CONFIG=$(CONFIG) Scripts/run

demo-domain: ## build, show an edge domain on the loopback whose workflow outlives one of its nodes, end
	@Scripts/dependencies build check
	@CONFIG=$(CONFIG) Scripts/demo-domain

demo-kubernetes: ## build, show pods of a cluster whose two nodes are virtual machines, end (DEMO=--stay: at Ctrl-C)
	@Scripts/dependencies build check e2e
	for product in berth-cluster berth-cluster-standin berth-cluster-demo; do swift build --product $$product; done
	Scripts/static .build/bench berthd berth berth-node berth-cluster-demo
	@Scripts/demo-kubernetes .build/debug .build/bench $(DEMO)

test: ## build and run every test
	@Scripts/dependencies build check
	swift build --build-tests
	swift test --skip-build --skip '$(NETWORKED)|$(CLUSTER)|$(ALONE)'
	swift test --skip-build --filter '$(NETWORKED)'
	swift test --skip-build --filter '$(CLUSTER)'
	swift test --skip-build --filter '$(ALONE)'

interop: ## drive berth-domain with nodes, a controller and an operator in Python, written from the specification alone
	@Scripts/dependencies build check
	swift build --product berth-domain
	Scripts/check-interop .build/debug/berth-domain

e2e: ## boot virtual machines with Linux 6.1 and 6.12 and try what is shipped in them (E2E="--kernel 6.12 --only package")
	@Scripts/dependencies build e2e
	Scripts/static .build/bench berthd berth
	Tests/e2e/run --berthd .build/bench/berthd --berth .build/bench/berth \
		$(addprefix --deb ,$(lastword $(sort $(wildcard $(OUT)/berth_*.deb)))) $(E2E)

e2e-kubernetes: ## check Berth's cluster side, built here, on the cluster that KUBECONFIG names, or the API server's stand-in
	@Scripts/dependencies build check
	for product in berth-cluster berth-cluster-demo berth-cluster-standin; do swift build --product $$product; done
	@Scripts/e2e-kubernetes --programs .build/debug $(if $(KUBECONFIG),,--stand-in) $(E2E)

openapi: ## send generated requests to berthd and check every answer against its OpenAPI document (schemathesis)
	@Scripts/dependencies build check
	swift build --product berthd
	Scripts/check-openapi .build/debug/berthd

bench: ## measure the programs as they are shipped against floors taken in the same run (BENCH="--quick")
	@Scripts/dependencies build bench e2e
	Scripts/static .build/bench $(BENCH_PROGRAMS)
	Benchmarks/run --berthd .build/bench/berthd $(BENCH)

simulate: ## live HISTORIES (10000) of whole edge domains and CLUSTERS (10000) of clusters, LARGE (20) of 1,000 nodes
	@Scripts/dependencies build
	Scripts/static .build/bench berth-simulate
	.build/bench/berth-simulate --histories $(HISTORIES) --large $(LARGE) --clusters $(CLUSTERS)

fuzz: ## feed garbage to every decoder, FUZZ_SECONDS (60) each
	@Scripts/dependencies build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) Scripts/fuzz

format: ## rewrite the Swift sources in the project's format
	swift format -i -r $(SWIFT_FILES)

lint: ## check format, imports, scripts, YAML, tables of defects; changes nothing
	@Scripts/dependencies check
	swift format lint -r --strict $(SWIFT_FILES)
	@Scripts/check-imports
	@Scripts/check-scripts
	@Scripts/check-defects

protos: ## regenerate the Swift code of Protos
	@Scripts/protos

docs: ## man pages and completions into OUT (dist), and check the commands and exchanges that the documentation shows
	@Scripts/dependencies build check
	for product in $(notdir $(DOCUMENTED)); do swift build --product $$product; done
	Scripts/manuals $(OUT)/man $(DOCUMENTED)
	Scripts/completions $(OUT)/completions $(DOCUMENTED)
	@Scripts/check-readme .build/debug
	@Scripts/check-protocol .build/debug
	@Scripts/check-api .build/debug

deb: ## build a Debian package of static programs into OUT (dist)
	@Scripts/dependencies build deb
	@Scripts/deb $(OUT)

images: ## build container images of the static programs into OUT/images, as OCI archives
	@Scripts/dependencies build deb images
	@Scripts/images $(OUT)

manifests: ## check deploy/kubernetes: published schemas, the programs' flags, kubectl against the stand-in
	@Scripts/dependencies build check
	for product in berthd berth-node berth-cluster berth-cluster-standin; do swift build --product $$product; done
	@Scripts/check-manifests .build/debug

clean: ## remove all that was built
	rm -rf .build $(OUT)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile
