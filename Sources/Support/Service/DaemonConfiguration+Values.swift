extension DaemonConfiguration {
    /// Where the machine comes from, for the log and `berth status`: `real`, `simulated`, `captured`, `sysfs-root`.
    package var machineKind: String {
        if simulate { return "simulated" }
        if machine != nil { return "captured" }
        return sysfsRoot == DaemonConfiguration().sysfsRoot ? "real" : "sysfs-root"
    }

    /// The HTTP API over TLS; nil where it is not served.
    package var httpTLS: (address: String, certificate: String, key: String, clientAuthority: String)? {
        guard let address = httpTLSListen, let certificate = httpTLSCertificate, let key = httpTLSKey,
            let authority = httpTLSClientCA
        else { return nil }
        return (address, certificate, key, authority)
    }

    /// The value of a key as a flag takes it, for the log; `none` where nothing is set.
    package func shown(_ key: String) -> String {
        let text: String? =
            switch key {
            case "socket": socket
            case "http-socket": httpSocket
            case "state-dir": stateDirectory
            case "socket-mode": "0" + String(socketMode, radix: 8)
            case "socket-owner": socketOwner
            case "socket-group": socketGroup
            case "admin-group": adminGroup
            case "access-group": accessGroup
            case "audit-log": auditLog
            case "log-level": logLevel
            case "policy": policy.isEmpty ? nil : policy.joined(separator: ",")
            case "extensions": extensions.isEmpty ? nil : extensions.joined(separator: ",")
            case "pools.general": generalPool
            case "name-limit": String(nameLimit)
            case "connections-per-uid": String(connectionsPerUID)
            case "http-requests-per-second": String(httpRequestsPerSecond)
            case "read-timeout": String(readTimeout)
            case "write-timeout": String(writeTimeout)
            case "commit-timeout": String(commitTimeout)
            case "http-tls-listen": httpTLSListen
            case "http-tls-certificate": httpTLSCertificate
            case "http-tls-key": httpTLSKey
            case "http-tls-client-ca": httpTLSClientCA
            case "enforcement.mode": enforces ? "on" : "off"
            case "enforcement.housekeeping": housekeeping
            case "enforcement.repair": String(repairs)
            case "enforcement.offline": refills ? "refill" : "flag"
            case "enforcement.on-stop": restoresOnStop ? "restore" : "keep"
            case "limits.cpus-per-uid": cpusPerUID.map { String($0) }
            case "machine": machine
            case "sysfs-root": sysfsRoot
            case "simulate": String(simulate)
            case "import-state": importState
            default: nil
            }
        return text ?? "none"
    }

    /// The keys whose values differ from those of `old`, in the order of the manual.
    package func changes(from old: DaemonConfiguration) -> [String] {
        Self.keys.filter { shown($0) != old.shown($0) }
    }
}
