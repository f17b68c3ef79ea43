import WireJSON

/// What is particular to pods.
enum PodRules {
    /// The quality of service, from the requests and limits of all containers.
    static func qosClass(of spec: JSONValue) -> String {
        let containers = (spec.member("containers")?.array ?? []) + (spec.member("initContainers")?.array ?? [])
        var hasAny = false
        var isGuaranteed = !containers.isEmpty
        for container in containers {
            let requests = container.at("resources", "requests")
            let limits = container.at("resources", "limits")
            for name in ["cpu", "memory"] {
                let request = requests?.member(name)
                let limit = limits?.member(name)
                if request != nil || limit != nil { hasAny = true }
                if limit == nil || (request ?? limit) != limit { isGuaranteed = false }
            }
        }
        return isGuaranteed ? "Guaranteed" : hasAny ? "Burstable" : "BestEffort"
    }

    /// Pods stay for five minutes on a node that is lost, unless they say otherwise.
    static func addTolerations(_ spec: inout JSONValue) {
        var tolerations = spec.member("tolerations")?.array ?? []
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let isTolerated = tolerations.contains { toleration in
                let own = toleration.text("key") ?? ""
                let effect = toleration.text("effect") ?? ""
                return (own == key || own.isEmpty && toleration.text("operator") == "Exists")
                    && (effect.isEmpty || effect == "NoExecute")
            }
            if isTolerated { continue }
            tolerations.append(
                .map([
                    "key": .string(key), "operator": .string("Exists"), "effect": .string("NoExecute"),
                    "tolerationSeconds": .integer(300),
                ]))
        }
        spec.set("tolerations", .array(tolerations))
    }

    static func errors(_ spec: JSONValue, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let containers = spec.member("containers")?.array ?? []
        if containers.isEmpty { errors.append(.required("\(path).containers")) }
        var names: Set<String> = []
        let all = [("initContainers", spec.member("initContainers")?.array ?? []), ("containers", containers)]
        for (list, containers) in all {
            for (index, container) in containers.enumerated() {
                let own = "\(path).\(list)[\(index)]"
                let name = container.text("name") ?? ""
                if name.isEmpty {
                    errors.append(.required("\(own).name"))
                } else if !MetadataRules.isLabel(name) {
                    errors.append(.invalid("\(own).name", .string(name), MetadataRules.label))
                } else if !names.insert(name).inserted {
                    errors.append(.duplicate("\(own).name", .string(name)))
                }
                if (container.text("image") ?? "").isEmpty { errors.append(.required("\(own).image")) }
                let requests = container.at("resources", "requests")
                for limit in container.at("resources", "limits")?.members ?? [] {
                    guard let most = Quantity(limit.value),
                        let least = requests?.member(limit.name).flatMap(Quantity.init),
                        least > most
                    else { continue }
                    errors.append(
                        .invalid(
                            "\(own).resources.requests", .string(least.text),
                            "must be less than or equal to \(limit.name) limit of \(most.text)"))
                }
            }
        }
        let policy = spec.text("restartPolicy") ?? "Always"
        if !["Always", "OnFailure", "Never"].contains(policy) {
            errors.append(
                .notSupported("\(path).restartPolicy", .string(policy), ["Always", "OnFailure", "Never"]))
        }
        return errors
    }

    /// What an update does not mention and admission had set stays as it is.
    static func keepAdmitted(_ value: inout JSONValue, from old: JSONValue) {
        guard var spec = value.member("spec") else { return }
        for name in [
            "enableServiceLinks", "serviceAccountName", "serviceAccount", "preemptionPolicy", "priority", "tolerations",
            "nodeName",
        ] { spec.setDefault(name, old.at("spec", name)) }
        value.set("spec", spec)
    }

    static func changeErrors(from old: JSONValue, to new: JSONValue) -> [FieldError] {
        func fixed(_ value: JSONValue) -> JSONValue {
            var spec = value.member("spec") ?? .empty
            for list in ["containers", "initContainers"] {
                spec.changeElements(list) { container in
                    container.set("image", nil)
                    container.set("resources", nil)
                }
            }
            for name in [
                "activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "ephemeralContainers",
                "schedulingGates",
            ] { spec.set(name, nil) }
            return spec
        }
        let (before, after) = (fixed(old), fixed(new))
        guard before != after else { return [] }
        return [
            .forbidden(
                "spec",
                "pod updates may not change fields other than `spec.containers[*].image`,"
                    + "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
                    + "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
                    + "previously negative)")
        ]
    }
}

/// A quantity such as `500m` or `2Gi`, in thousandths.
struct Quantity: Comparable, Sendable {
    let text: String
    private let value: Double

    init?(_ value: JSONValue) {
        let text = value.string ?? value.json
        let digits = text.prefix { $0.isASCII && ($0.isNumber || "+-.".contains($0)) }
        guard let number = Double(digits) else { return nil }
        let factors: [String: Double] = [
            "": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
            "Ki": 1_024, "Mi": 1_048_576, "Gi": 1_073_741_824, "Ti": 1_099_511_627_776, "Pi": 1_125_899_906_842_624,
            "Ei": 1_152_921_504_606_846_976,
        ]
        guard let factor = factors[String(text[digits.endIndex...])] else { return nil }
        self.text = text
        self.value = number * factor
    }

    static func == (left: Quantity, right: Quantity) -> Bool { left.value == right.value }
    static func < (left: Quantity, right: Quantity) -> Bool { left.value < right.value }
}
