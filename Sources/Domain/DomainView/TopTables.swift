import Domain
import Terminal
import WireJSON

extension DomainView {
    /// `top nodes`: the load of each node. `-` for values that the node has not reported.
    package func topNodes(_ naming: NodeNaming) -> (table: Table, json: [UInt8]) {
        var table = Table([
            ("Node", .left), ("Runtimes", .left), ("Load", .right), ("Proc CPU", .right),
            ("Memory (used/avail)", .right),
            ("GPU util", .right), ("Power", .right),
        ])
        let rows = knownNodes.union(health.keys).sorted()
        for node in rows {
            let runtimes = nodes[node]?.value.runtimes ?? []
            let state = health[node]?.value
            func cell(_ value: Int32?, _ text: (Int32) -> String) -> StyledText {
                StyledText(value.flatMap { $0 < 0 ? nil : text($0) } ?? "-")
            }
            let memory = cell(state?.memoryAvailable) { available in
                guard let used = state?.memoryUsed, used >= 0 else { return "-" }
                return "\(used / 1024)/\(available / 1024) MiB"
            }
            table.add([
                StyledText(name(of: node, naming)), StyledText(Self.list(runtimes.map(Printable.text))),
                cell(state?.load1) { "\($0)%" }, cell(state?.processCPU) { "\($0)%" }, memory,
                cell(state?.gpuLoad) { "\($0)%" }, cell(state?.activePower) { "\($0) mW" },
            ])
        }
        let json = JSONWriter.object { writer in
            writer.name("nodes")
            writer.array { array in
                for node in rows {
                    array.object { writer in
                        writer.member("id", node.description)
                        writer.member("name", name(of: node, naming))
                        writer.member("runtimes", nodes[node]?.value.runtimes ?? [])
                        writer.member("health", health[node]?.document ?? .null)
                    }
                }
            }
        }
        return (table, json)
    }

    /// The components of a workflow in this domain.
    package func components(of workflow: WorkflowStatus) -> Set<ComponentID> {
        Set(workflow.components.flatMap { place(of: $0).map(\.component) })
    }

    private func place(of component: WorkflowStatus.Component) -> [PhysicalID] {
        component.id.flatMap { instances[$0]?.physical } ?? []
    }

    /// `top workflow`: where the components of a workflow run, and their times from the entries of ``series`` since
    /// `time`.
    ///
    /// - Parameter time: seconds since 1970.
    package func topWorkflow(
        _ workflow: WorkflowStatus, since time: Double, _ naming: NodeNaming
    ) -> (table: Table, json: [UInt8]) {
        let metrics: [(PerformanceSamples.Metric, String)] = [(.execution, "Exec"), (.transfer, "Transfer")]
        var columns: [(String, Table.Alignment)] = [("Name", .left), ("Domain", .left), ("Node", .left)]
        for (_, name) in metrics { columns += [("\(name) ms avg", .right), ("min", .right), ("max", .right)] }
        var table = Table(columns)
        let components = workflow.components.sorted { $0.name < $1.name }
        func figures(_ component: WorkflowStatus.Component, _ metric: PerformanceSamples.Metric) -> Figures? {
            Figures(
                place(of: component).flatMap { series[SeriesID(component: $0.component, name: metric.rawValue)] ?? [] }
                    .filter { $0.time >= time }.compactMap(\.number))
        }
        for component in components {
            let nodes = place(of: component).map { name(of: $0.node, naming) }
            var cells = [Printable.name(component.name), Printable.name(component.domain), Self.list(nodes)]
            for (metric, _) in metrics {
                let figures = figures(component, metric)
                for value in [figures?.mean, figures?.least, figures?.most] {
                    cells.append(value.map { DecimalText.fixed($0 * 1000, 3) } ?? "-")
                }
            }
            table.add(cells.map { StyledText($0) })
        }
        let json = JSONWriter.object { writer in
            writer.member("workflow", workflow.id)
            writer.name("components")
            writer.array { array in
                for component in components {
                    array.object { writer in
                        writer.member("name", component.name)
                        writer.member("domain", component.domain)
                        writer.member("id", component.id.map { .string($0.description) } ?? .null)
                        writer.member("nodes", place(of: component).map(\.node.description))
                        for (metric, _) in metrics {
                            writer.member(metric.rawValue, figures(component, metric)?.document ?? .null)
                        }
                    }
                }
            }
        }
        return (table, json)
    }
}

/// The mean and the range of some values.
private struct Figures {
    let count: Int
    let mean: Double
    let least: Double
    let most: Double

    /// Nil for no values.
    init?(_ values: [Double]) {
        guard let least = values.min(), let most = values.max() else { return nil }
        count = values.count
        mean = values.reduce(0) { $0 + $1 / Double(values.count) }
        (self.least, self.most) = (least, most)
    }

    /// In seconds.
    var document: JSONValue {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("count", count)
            for (name, value) in [("mean", mean), ("min", least), ("max", most)] {
                writer.member(name, .number("\(value)"))
            }
        }
        return JSONValue(scanned: writer.bytes[...])
    }
}
