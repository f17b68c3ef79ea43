extension StoreFiles {
    /// Makes a store that holds `snapshot`, in one step: a crash leaves either nothing or all of it.
    ///
    /// Only where ``inspect()`` says that nothing was ever stored; hold the `StoreLock`.
    package func create(snapshot: [UInt8]) throws(StorageError) {
        try FileIO.prepareFolder(folder)
        try DatabaseBuilder.place(
            try DatabaseBuilder.image(files: self, schema: .current, snapshot: (snapshot, 1)), files: self)
    }
}

/// Why files of a store are set aside: part of the name that they get.
package enum SetAsideMark: String, Sendable, CustomStringConvertible {
    /// They cannot be trusted.
    case damaged
    /// They are sound, and somebody wanted other ones.
    case replaced

    /// The part of the name.
    package var description: String { rawValue }
}

extension StoreFiles {
    /// Sets whatever is there aside (`<file>.<mark>-<n>`) and makes a store that holds `snapshot`.
    ///
    /// Hold the `StoreLock`, with no `Journal` open.
    /// - Returns: the names under which the files set aside are found.
    package func restore(snapshot: [UInt8], mark: SetAsideMark = .damaged) throws(StorageError) -> [String] {
        try FileIO.prepareFolder(folder)
        let seq = (try? readLastGood().seq) ?? 0
        return try replace(snapshot: snapshot, after: max(0, seq), schema: .current, mark: mark)
    }
}
