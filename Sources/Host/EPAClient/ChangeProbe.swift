extension EPAClient {
    /// Finds out whether the daemon accepts changes, without changing anything: asks it to remove a huge page record of
    /// a name that cannot exist. Where all is well there is nothing to remove; where the state cannot be trusted or
    /// written, berthd refuses every change, this one too.
    ///
    /// - Returns: nil where changes are accepted, else the daemon's reason.
    /// - Throws: ``ClientError``, but never that the daemon refused.
    package func refusalOfChanges() throws(ClientError) -> String? {
        let name = "berth-status-" + String(UInt64.random(in: .min ... .max), radix: 16)
        do {
            _ = try send(AllocateHugePages.remove(service: name, node: 0, sizeKB: 2048))
            return nil
        } catch .refused(let message, _) {
            return message
        }
    }
}
