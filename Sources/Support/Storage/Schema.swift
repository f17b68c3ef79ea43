/// The tables, their number in `user_version`, and how older numbers become the current one.
struct Schema: Sendable {
    /// One object as `sqlite_schema` lists it.
    struct Object: Sendable, Hashable {
        let name: String
        let sql: String
    }

    /// A step from one schema number to the next; runs in a transaction.
    struct Migration: Sendable {
        let statements: [String]
        /// The objects that there are afterwards.
        let objects: [Object]
    }

    /// The objects of schema 1.
    let first: [Object]
    /// `migrations[0]` leads from 1 to 2, and so on.
    let migrations: [Migration]

    var number: Int { migrations.count + 1 }

    /// The objects of a schema number; nil for an unknown one.
    func objects(at number: Int) -> [Object]? {
        guard number >= 1, number <= self.number else { return nil }
        return number == 1 ? first : migrations[number - 2].objects
    }

    static let current = Schema(
        first: [
            Object(
                name: "record",
                sql: "CREATE TABLE record(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, payload BLOB NOT NULL, "
                    + "chain INTEGER NOT NULL) STRICT"),
            Object(
                name: "head",
                sql: "CREATE TABLE head(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, chain INTEGER NOT NULL, "
                    + "state TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT"),
        ],
        migrations: [])

    /// Brings a database of an older schema number to this one, in the transaction the caller has begun.
    func migrate(_ connection: Connection, from number: Int) throws(StorageError) {
        for migration in migrations.dropFirst(number - 1) {
            for statement in migration.statements { try connection.run(statement) }
        }
        try connection.run("PRAGMA user_version = \(self.number)")
    }
}
