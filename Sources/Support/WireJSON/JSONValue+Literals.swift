extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A string.
    public init(stringLiteral text: String) { self = .string(text) }

    /// `true` or `false`.
    public init(booleanLiteral truth: Bool) { self = .boolean(truth) }

    /// An integer.
    public init(integerLiteral number: Int) { self = .number(String(number)) }

    /// The elements in order.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

    /// The members in order.
    public init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(members.map { Member(name: $0.0, value: $0.1) })
    }

    /// An integer.
    public init(_ number: Int) { self = .number(String(number)) }
}
