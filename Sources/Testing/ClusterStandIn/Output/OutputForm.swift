import WireJSON

/// In which form objects are shown.
enum OutputForm: Equatable, Sendable {
    /// As they are.
    case object
    /// As rows of a table, for people.
    case table(TableForm)
    /// Their metadata alone.
    case metadata

    /// What a client accepts, the first that is known.
    init(_ request: StandInRequest) {
        let target = RequestTarget(request.target)
        self = .object
        for range in request.accept.split(separator: ",") {
            let parameters = range.split(separator: ";").map { $0.filter { $0 != " " } }
            guard let media = parameters.first, ["application/json", "*/*", "application/*"].contains(media) else {
                continue
            }
            guard parameters.contains("g=meta.k8s.io"), parameters.contains("v=v1") else { return }
            if parameters.contains("as=Table") {
                self = .table(TableForm(include: target?.query["includeObject"] ?? "Metadata"))
                return
            }
            if parameters.contains("as=PartialObjectMetadata") || parameters.contains("as=PartialObjectMetadataList") {
                self = .metadata
                return
            }
        }
    }

    /// The metadata of an object.
    static func partial(_ object: StoredObject, _ type: ResourceType) -> JSONValue {
        .map([
            "kind": .string("PartialObjectMetadata"), "apiVersion": .string("meta.k8s.io/v1"),
            "metadata": object.value.member("metadata"),
        ])
    }
}

/// A table of objects.
struct TableForm: Equatable, Sendable {
    /// What each row has of its object: `None`, `Metadata` or `Object`.
    let include: String

    func table(of objects: [StoredObject], _ type: ResourceType, version: UInt64, now: StandInTime) -> JSONValue {
        let columns = type.content.columns
        return .map([
            "kind": .string("Table"), "apiVersion": .string("meta.k8s.io/v1"),
            "metadata": .map(["resourceVersion": .string(String(version))]),
            "columnDefinitions": .array(
                columns.map { column in
                    .map([
                        "name": .string(column.name), "type": .string(column.type), "format": .string(column.format),
                        "description": .string(column.description), "priority": .integer(column.priority),
                    ])
                }),
            "rows": .array(
                objects.map { object in
                    .map([
                        "cells": .array(columns.map { TableCells.cell($0, object.value, type, now) }),
                        "object": row(object, type),
                    ])
                }),
        ])
    }

    private func row(_ object: StoredObject, _ type: ResourceType) -> JSONValue? {
        switch include {
        case "None": nil
        case "Object": type.shown(object.value)
        default: OutputForm.partial(object, type)
        }
    }
}

/// The cells of tables.
enum TableCells {
    static func cell(_ column: ResourceType.Column, _ object: JSONValue, _ type: ResourceType, _ now: StandInTime)
        -> JSONValue
    {
        guard let path = column.path else { return BuiltinColumns.cell(column.name, object, type, now) }
        guard let found = path.find(in: object).first, found != .null else {
            if !type.isCustom, column.type == "integer" { return .integer(0) }
            return type.isCustom ? .null : .string(["pods", "nodes"].contains(type.storage) ? "<none>" : "")
        }
        switch column.type {
        case "date": return .string(age(found.string, now))
        case "integer", "number", "boolean": return found
        default: return .string(found.string ?? found.json)
        }
    }

    /// How long ago a moment was, for people.
    static func age(_ text: String?, _ now: StandInTime) -> String {
        guard let text, !text.isEmpty else { return "<unknown>" }
        guard let time = StandInTime(text) else { return "<invalid>" }
        return duration(now.seconds - time.seconds)
    }

    static func duration(_ seconds: Int64) -> String {
        let (minutes, hours) = (seconds / 60, seconds / 3_600)
        func two(_ first: String, _ rest: Int64, _ unit: String) -> String {
            rest == 0 ? first : "\(first)\(rest)\(unit)"
        }
        switch seconds {
        case ..<(-1): return "<invalid>"
        case ..<0: return "0s"
        case ..<120: return "\(seconds)s"
        case ..<600: return two("\(minutes)m", seconds % 60, "s")
        case ..<10_800: return "\(minutes)m"
        case ..<28_800: return two("\(hours)h", minutes % 60, "m")
        case ..<172_800: return "\(hours)h"
        case ..<691_200: return two("\(hours / 24)d", hours % 24, "h")
        case ..<63_072_000: return "\(hours / 24)d"
        case ..<252_288_000: return two("\(hours / 24 / 365)y", hours / 24 % 365, "d")
        default: return "\(hours / 24 / 365)y"
        }
    }
}
