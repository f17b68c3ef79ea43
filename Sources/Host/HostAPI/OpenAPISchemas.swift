import WireJSON

/// The schemas of the OpenAPI document, in the order of the document.
enum OpenAPISchemas {
    /// The schemas by name.
    static let all: [(String, JSONValue)] = texts.map { ($0, parse($1)) }

    static let text = parse(#"{"type":"string"}"#)
    static let number = parse(#"{"type":"integer"}"#)
    static let holdings = parse(holdingsText)
    static let alternatives = parse(
        #"""
        {"type":"array","description":"What would be granted instead","items":{"type":"object","required":["text","cpus"],"properties":{
          "text":{"type":"string","description":"How it differs from the request"},"cpus":{"$ref":"#/components/schemas/CPUList"}}}}
        """#)

    /// The value of a text that is known to be JSON; a test says which are not.
    static func parse(_ text: String) -> JSONValue { (try? JSONValue(Array(text.utf8))) ?? .null }

    private static let holdingsText = #"""
        {"type":"array","items":{"type":"object","required":["holder","cpus"],"properties":{
          "holder":{"type":"string"},"cpus":{"$ref":"#/components/schemas/CPUList"}}}}
        """#

    private static let cpuMembers = #"""
        "count":{"type":"integer","minimum":1,"maximum":65535,"description":"This many CPUs"},
        "percent":{"type":"integer","minimum":1,"maximum":100,"description":"This share of the pool, rounded up"},
        "cores":{"type":"integer","minimum":1,"maximum":65535,"description":"This many physical cores, all of whose CPUs in the pool are free"},
        "list":{"type":"string","pattern":"^[0-9]{1,4}(,[0-9]{1,4}){0,63}$","description":"Exactly these CPUs, such as 4-7,9; the pattern shows single CPUs only, ranges may stand there too"},
        "default_share":{"const":true,"description":"All but 16 of more than 100 free CPUs, else four fifths"},
        "pool":{"type":"string","maxLength":63,"description":"The pool; isolated unless given"},
        "nodes":{"type":"array","minItems":1,"maxItems":64,"uniqueItems":true,"items":{"type":"integer","minimum":0,"maximum":65535},"description":"Only CPUs of these NUMA nodes"},
        "smt":{"enum":["any","whole","one"],"description":"any CPUs; all CPUs of each core; one CPU of each core whose siblings stay idle"},
        "packing":{"enum":["lowest","sibling_pairs","whole_cores"],"description":"Which free CPUs are chosen"},
        "spread":{"enum":["nodes","caches"],"description":"What the CPUs are spread over, as evenly as the free ones allow: NUMA nodes, or groups with an L3 cache of their own"},
        "shared":{"type":"boolean","description":"Whether others may share the CPUs; the same as level none"},
        "level":{"enum":["none","cpu","core","socket","numa"],"description":"How far exclusiveness reaches around each CPU"},
        "label":{"type":"string","maxLength":63,"description":"The container or purpose of the CPUs"},
        "preemption":{"enum":["never","allowed","where_needed"],"description":"Whether automatic CPUs of services may be taken"},
        "explicit":{"type":"boolean","description":"Whether the CPUs are explicit, which nobody may take"},
        "protected":{"type":"boolean","description":"Whether nobody may take the CPUs although they are not explicit"}
        """#

    /// A name of a claim.
    static let name = #"{"type":"string","minLength":1,"maxLength":317,"pattern":"^[^\\u0000-\\u001f\\u007f]+$"}"#

    /// What contradicts itself.
    private static let contradictions = #"""
        "allOf":[{"not":{"required":["shared","level"]}},
        {"not":{"required":["shared","explicit"],"properties":{"shared":{"const":true},"explicit":{"const":true}}}},
        {"not":{"required":["level","explicit"],"properties":{"level":{"const":"none"},"explicit":{"const":true}}}}]
        """#

    private static let demands =
        #"{"required":["count"]},{"required":["percent"]},{"required":["cores"]},{"required":["list"]},{"required":["default_share"]}"#

    private static let cpus = #"""
        "cpus":{"$ref":"#/components/schemas/CPURequest"},
        "grants":{"type":"array","maxItems":8,"items":{"$ref":"#/components/schemas/CPURequest"},"description":"Several grants in place of cpus, of one pool; each has another label, or is shared where the other one is not. There may be 256"}
        """#

    private static let cpusOnce = #""not":{"required":["cpus","grants"]}"#

    private static let claimMembers = #"""
        "memory_nodes":{"type":"array","maxItems":64,"uniqueItems":true,"items":{"type":"integer","minimum":0,"maximum":65535}},
        "lease":{"$ref":"#/components/schemas/LeaseRequest"},
        "enforcement":{"oneOf":[{"type":"null"},{"$ref":"#/components/schemas/EnforcementRequest"}]}
        """#

    private static let needs = #"""
        [{"required":["cpus"]},{"required":["grants"],"properties":{"grants":{"minItems":1}}},{"required":["huge_pages"],"properties":{"huge_pages":{"minItems":1}}},
        {"required":["memory_nodes"],"properties":{"memory_nodes":{"minItems":1}}}]
        """#

    private static func pages(_ minimum: Int) -> String {
        #"""
        {"type":"array","maxItems":64,"uniqueItems":true,"items":{"type":"object","additionalProperties":false,"required":["node","size_kb","count"],"properties":{
          "node":{"type":"integer","minimum":0,"maximum":65535},"size_kb":{"type":"integer","minimum":1,"maximum":1099511627776},
          "count":{"type":"integer","minimum":\#(minimum),"maximum":1099511627776}}}}
        """#
    }

    private static let shownClaim = #"""
        "holder":{"type":"string","description":"KIND:NAME"},"kind":{"enum":["service","pod","function","run"]},"name":{"type":"string"},
        "owner":{"description":"Who may change it besides administrators; null for nobody","oneOf":[{"type":"null"},{"type":"object","required":["uid"],"properties":{"uid":{"type":"integer"},"label":{"type":"string"}}}]},
        "pool":{"type":"string"},"cpus":{"$ref":"#/components/schemas/CPUList"},"exclusive":{"$ref":"#/components/schemas/CPUList"},
        "grants":{"type":"array","items":{"$ref":"#/components/schemas/Grant"}},
        "memory_nodes":{"type":"array","items":{"type":"integer"}},
        "huge_pages":{"type":"array","items":{"type":"object","required":["node","size_kb","count"],"properties":{"node":{"type":"integer"},"size_kb":{"type":"integer"},"count":{"type":"integer"}}}},
        "lease":{"$ref":"#/components/schemas/Lease"},
        "enforcement":{"oneOf":[{"type":"null"},{"$ref":"#/components/schemas/Enforcement"}]},
        "version":{"type":"string","description":"Another one for each state of the claim; the ETag"}
        """#

    private static let shownMembers =
        #"["holder","kind","name","owner","pool","cpus","exclusive","grants","memory_nodes","huge_pages","lease","enforcement","version""#

    private static let process = #"""
        {"type":"object","required":["pid","start_time"],"properties":{"pid":{"type":"integer"},"start_time":{"type":"integer","description":"In clock ticks since the boot"}}}
        """#

    private static let texts: [(String, String)] = [
        ("CPUList", #"{"type":"string","description":"CPUs such as 2-5,9; empty for none"}"#),
        (
            "CPURequest",
            #"{"type":"object","additionalProperties":false,"properties":{\#(cpuMembers)},"oneOf":[\#(demands)],\#(contradictions)}"#
        ),
        (
            "CPUPatch",
            #"""
            {"type":"object","additionalProperties":false,"properties":{\#(cpuMembers),
            "none":{"const":true,"description":"No CPUs: those that it replaces are released"},
            "replaces":{"enum":["everything","all_but_explicit","nodes","label"],"description":"Which of the claim's CPUs the new ones replace"}},
            "oneOf":[{"required":["none"]},\#(demands)],\#(contradictions)}
            """#
        ),
        (
            "LeaseRequest",
            #"""
            {"type":"object","additionalProperties":false,
            "oneOf":[{"required":["forever"]},{"required":["seconds"]},{"required":["until"]},{"required":["process"]}],"properties":{
            "forever":{"const":true},"seconds":{"type":"integer","minimum":1,"maximum":31622400},
            "until":{"type":"integer","minimum":0,"maximum":253402300799999,"description":"In milliseconds since 1970 UTC"},
            "process":{"description":"While a process lives: true for the caller, or a process id","oneOf":[{"const":true},{"const":"self"},{"type":"integer","minimum":1,"maximum":2147483647}]}}}
            """#
        ),
        (
            "EnforcementRequest",
            #"""
            {"type":"object","additionalProperties":false,"properties":{
            "minimum":{"enum":["none","affinity","cpuset","partition"],"description":"The weakest isolation that will do"},
            "balanced":{"type":"boolean","description":"Whether the kernel balances load among the CPUs"},
            "process":{"description":"The process to move: the caller's, or a process id","oneOf":[{"const":"self"},{"type":"integer","minimum":1,"maximum":2147483647}]},
            "pod":{"type":"object","additionalProperties":false,"required":["uid"],"description":"The pod to keep on the CPUs, of a claim pod:NAMESPACE/NAME; for administrators, in place of process and of balanced false","properties":{
            "uid":{"type":"string","pattern":"^([0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$"},
            "containers":{"type":"array","maxItems":256,"items":{"type":"object","additionalProperties":false,"required":["name","id"],"properties":{
            "name":{"type":"string","maxLength":63,"pattern":"^[a-z0-9-]+$"},"id":{"type":"string","pattern":"^([a-z0-9.+-]{1,32}://)?[0-9a-f]{64}$"}}}}}}},
            "not":{"required":["pod","process"]}}
            """#
        ),
        (
            "ClaimRequest",
            #"""
            {"type":"object","additionalProperties":false,"description":"All that the claim is to have","properties":{
            \#(cpus),"huge_pages":\#(pages(1)),\#(claimMembers)},"anyOf":\#(needs),\#(cpusOnce)}
            """#
        ),
        (
            "ClaimPatch",
            #"""
            {"type":"object","additionalProperties":false,"description":"What of the claim is to change","properties":{
            "cpus":{"$ref":"#/components/schemas/CPUPatch"},"huge_pages":\#(pages(0)),\#(claimMembers)}}
            """#
        ),
        (
            "PlanRequest",
            #"""
            {"type":"object","additionalProperties":false,"required":["holder"],"properties":{
            "holder":{"type":"string","pattern":"^(service|pod|function|run):[^\\u0000-\\u001f\\u007f]{1,317}$"},
            \#(cpus),"huge_pages":\#(pages(1)),\#(claimMembers)},"anyOf":\#(needs),\#(cpusOnce)}
            """#
        ),
        (
            "RenewRequest",
            #"""
            {"type":"object","additionalProperties":false,"required":["lease"],"properties":{"lease":{"$ref":"#/components/schemas/LeaseRequest"}},"examples":[{"lease":{"seconds":60}}]}
            """#
        ),
        (
            "Grant",
            #"""
            {"type":"object","required":["label","cpus","exclusive","level","explicit","protected"],"properties":{
            "label":{"type":"string"},"cpus":{"$ref":"#/components/schemas/CPUList"},"exclusive":{"$ref":"#/components/schemas/CPUList"},
            "level":{"enum":["none","cpu","core","socket","numa"]},"explicit":{"type":"boolean"},"protected":{"type":"boolean"}}}
            """#
        ),
        (
            "Lease",
            #"""
            {"type":"object","minProperties":1,"maxProperties":1,"properties":{"forever":{"const":true},
            "until":{"type":"integer","description":"In milliseconds since 1970 UTC"},"process":\#(process),"cgroup":{"type":"string"}}}
            """#
        ),
        (
            "Enforcement",
            #"""
            {"type":"object","required":["phase","isolation","minimum","balanced"],"properties":{"phase":{"enum":["preparing","active","releasing"]},
            "isolation":{"enum":["none","affinity","cpuset","partition"]},"minimum":{"enum":["none","affinity","cpuset","partition"]},
            "balanced":{"type":"boolean"},"process":\#(process),
            "pod":{"type":"object","required":["uid","containers"],"properties":{"uid":{"type":"string"},"containers":{"type":"array",
            "items":{"type":"object","required":["name","id","state"],"properties":{"name":{"type":"string"},"id":{"type":"string"},"cgroup":{"type":"string"},
            "state":{"enum":["confined","unconfined","missing"],"description":"missing where the container has no cgroup: not started yet, or ended"}}}}}},
            "failure":{"type":"string","description":"How the kernel differs from the claim"}}}
            """#
        ),
        ("Claim", #"{"type":"object","required":\#(shownMembers)],"properties":{\#(shownClaim)}}"#),
        (
            "ChangedClaim",
            #"""
            {"type":"object","required":\#(shownMembers),"effects"],"properties":{\#(shownClaim),"effects":{"type":"object",
            "required":["changed","granted","released","preempted","no_longer_explicit","warnings"],"properties":{"changed":{"type":"boolean"},
            "granted":{"$ref":"#/components/schemas/CPUList"},"released":{"$ref":"#/components/schemas/CPUList"},
            "preempted":\#(holdingsText),"no_longer_explicit":{"$ref":"#/components/schemas/CPUList"},
            "warnings":{"type":"array","items":{"type":"string"}}}}}}
            """#
        ),
        (
            "ClaimPage",
            #"""
            {"type":"object","required":["claims","next"],"properties":{"claims":{"type":"array","items":{"$ref":"#/components/schemas/Claim"}},
            "next":{"type":["string","null"],"description":"What after takes for the next page; null on the last one"}}}
            """#
        ),
        (
            "API",
            #"""
            {"type":"object","required":["version","machine","accepts_changes","caller","links"],"properties":{"version":{"type":"string"},
            "machine":{"type":"string"},"accepts_changes":{"type":"boolean"},"reason":{"type":"string"},
            "caller":{"type":"object","required":["uid","administrator"],"properties":{"uid":{"type":"integer"},"administrator":{"type":"boolean"}}},
            "links":{"type":"object","additionalProperties":{"type":"string"}}}}
            """#
        ),
        (
            "Machine",
            #"""
            {"type":"object","required":["online","offline","isolated","housekeeping","cores","core_cpus","packages","nodes","problems"],"properties":{
            "online":{"$ref":"#/components/schemas/CPUList"},"offline":{"$ref":"#/components/schemas/CPUList"},
            "isolated":{"$ref":"#/components/schemas/CPUList"},"cores":{"type":"integer"},
            "housekeeping":{"description":"The CPUs that stay with the rest of the machine, whatever is claimed","$ref":"#/components/schemas/CPUList"},
            "core_cpus":{"type":"array","description":"The online CPUs of each core","items":{"$ref":"#/components/schemas/CPUList"}},
            "packages":{"type":"array","items":{"type":"object","required":["id","cpus"],"properties":{"id":{"type":["integer","null"]},"cpus":{"$ref":"#/components/schemas/CPUList"}}}},
            "nodes":{"type":"array","items":{"type":"object","required":["id","cpus","memory_kb","huge_pages"],"properties":{"id":{"type":"integer"},
            "cpus":{"$ref":"#/components/schemas/CPUList"},"memory_kb":{"type":["integer","null"]},
            "huge_pages":{"type":"array","description":"in_use + kernel_reserved + reserved + free = total; claimed is what all claims have","items":{"type":"object",
            "required":["size_kb","total","in_use","kernel_reserved","reserved","free","claimed"],"properties":{"size_kb":{"type":"integer"},"total":{"type":"integer"},
            "in_use":{"type":"integer"},"kernel_reserved":{"type":"integer","description":"Free pages that the kernel has promised to mappings"},
            "reserved":{"type":"integer","description":"What claims have beyond pages in use and pages promised"},
            "free":{"type":"integer"},"claimed":{"type":"integer"}}}}}}},
            "problems":{"type":"array","items":{"type":"string"}}}}
            """#
        ),
        (
            "Pools",
            #"""
            {"type":"object","required":["pools"],"properties":{"pools":{"type":"array","description":"exclusive + shared + free = total",
            "items":{"type":"object","required":["name","cpus","free_cpus","total","exclusive","shared","free","claims"],"properties":{
            "name":{"type":"string"},"cpus":{"$ref":"#/components/schemas/CPUList"},"free_cpus":{"$ref":"#/components/schemas/CPUList"},
            "total":{"type":"integer"},"exclusive":{"type":"integer"},"shared":{"type":"integer"},"free":{"type":"integer"},
            "claims":{"type":"integer"}}}}}}
            """#
        ),
        ("Verification", #"{"type":"object"}"#),
        ("Configuration", #"{"type":"object","additionalProperties":{"type":"string"}}"#),
        ("Document", #"{"type":"object"}"#),
    ]
}
