/// Why a store's files cannot be trusted, and which file shows it. Such files are only ever read or renamed.
package struct Corruption: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of corruption it is; decides whether the file may be quarantined and replaced.
    package enum Kind: Sendable, Hashable {
        /// A file that must be there is not.
        case missing
        /// The content contradicts itself: bytes changed, cut or mixed.
        case malformed
        /// Not a store of this application.
        case foreign
        /// Written by a newer version of the program.
        case newer
    }

    /// What kind of corruption it is.
    package let kind: Kind
    /// Path of the file.
    package let file: String
    /// What is wrong with it.
    package let what: String

    /// Names `file` as corrupt in the way `what` says.
    package init(_ kind: Kind, file: String, what: String) {
        self.kind = kind
        self.file = file
        self.what = what
    }

    /// The file and what is wrong with it.
    package var description: String { "\(file): \(what)" }
}
