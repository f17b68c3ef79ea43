/// The commands for operators' intents. An intent stays in Redis until its outcome is written, so that nothing is lost
/// if an answer of Redis is lost; each script changes nothing if it is carried out late.
///
/// A script with several keys is for a Redis that is no cluster; with one key it does its part of the work.
package enum IntentCommand {
    /// The lifetime of outcomes, in seconds.
    static let outcomeSeconds = "86400"
    /// The maximum length of a name in bytes.
    private static let nameLimit = 128
    /// What suffices to recognize an unfinished outcome, in bytes.
    private static let outcomeStart = 64

    /// Names the command and key of a refusal. Used as: `local answer = call(…) if problem then return problem end`.
    private static let prelude = """
        local problem
        local function call(name, key, ...)
          local answer = redis.pcall(name, key, ...)
          if type(answer) == 'table' and answer.err then
            problem = redis.error_reply(answer.err .. ' (' .. name .. ' ' .. key .. ')')
          end
          return answer
        end
        local function may(name, key, ...)
          if redis.acl_check_cmd and not redis.acl_check_cmd(name, key, ...) then
            problem = redis.error_reply('NOPERM this user has no permissions (' .. name .. ' ' .. key .. ')')
          end
        end

        """

    /// The script of ``list(_:for:)``. Keys: the list, and the domain's name. Arguments: the maximum number, that of the
    /// bytes of a name, and the expected domain.
    package static let listScript =
        prelude + """
            if KEYS[2] and redis.call('GET', KEYS[2]) ~= ARGV[3] then return false end
            local entries = call('LRANGE', KEYS[1], 0, ARGV[1] - 1)
            if problem then return problem end
            local names, foreign = {}, {}
            if #entries > 0 then may('LREM', KEYS[1], '1', 'x') end
            if problem then return problem end
            for _, entry in ipairs(entries) do
              if #entry <= tonumber(ARGV[2]) and (string.match(entry, '^intent:migrate:[!-9;-~]*$')
                  or string.match(entry, '^intent:cordon:[!-9;-~]*$')) then
                names[#names + 1] = entry
              else
                call('LREM', KEYS[1], 1, entry)
                if problem then return problem end
                foreign[#foreign + 1] = string.sub(entry, 1, ARGV[2])
              end
            end
            return {names, foreign}
            """

    /// The command that reads the first entries of the list, and removes those that are not the names of intents. It
    /// returns both lists, or null if the database contains another domain.
    ///
    /// - Parameter domainID: the expected domain; nil if it is not to be checked.
    package static func list(_ count: Int, for domainID: String?) -> RedisCommand {
        let arguments = ["\(count)", "\(nameLimit)"]
        guard let domainID else { return RedisCommand(listScript, [IntentKey.list], arguments) }
        return RedisCommand(listScript, [IntentKey.list, Mirror.identity], arguments + [domainID])
    }

    /// The script of ``take(_:marking:)`` and ``read(_:)``. Keys: the intent, and its outcome. Arguments: the maximum
    /// number of bytes, the number of bytes of the former outcome, the new outcome, and its lifetime in seconds.
    package static let takeScript =
        prelude + """
            may('DEL', KEYS[1])
            if problem then return problem end
            local kind = call('TYPE', KEYS[1])
            if problem then return problem end
            if kind.ok ~= 'string' then return false end
            local value = call('GETRANGE', KEYS[1], 0, ARGV[1])
            if problem or not KEYS[2] then return problem or {value, ''} end
            local former = redis.pcall('GETRANGE', KEYS[2], 0, ARGV[2])
            call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
            return problem or {value, type(former) == 'string' and former or ''}
            """

    /// The command that reads an intent, and writes its outcome so far. It returns the value, at most one byte longer
    /// than allowed, and the beginning of the former outcome; null if there is no intent.
    package static func take(_ name: String, marking mark: String) -> RedisCommand {
        RedisCommand(
            takeScript, [name, IntentKey.result(of: name)],
            ["\(IntentKey.valueLimit)", "\(outcomeStart)", mark, outcomeSeconds])
    }

    /// The command that only reads an intent; its answer is that of ``take(_:marking:)``.
    static func read(_ name: String) -> RedisCommand {
        RedisCommand(takeScript, [name], ["\(IntentKey.valueLimit)"])
    }

    /// The command that reads the beginning of an outcome.
    static func formerOutcome(of name: String) -> RedisCommand {
        RedisCommand("GETRANGE", IntentKey.result(of: name), "0", "\(outcomeStart)")
    }

    /// The command that writes an outcome.
    static func write(_ outcome: String, of name: String) -> RedisCommand {
        write(outcome, to: IntentKey.result(of: name))
    }

    /// The command that writes an outcome under its key.
    package static func write(_ outcome: String, to key: String) -> RedisCommand {
        RedisCommand("SET", key, outcome, "EX", outcomeSeconds)
    }

    /// The script of ``finish(_:_:)`` and ``publish(_:_:)``. Keys: the outcome, the intent, and the list. Arguments: the
    /// former outcome, the new one, its lifetime in seconds, the value, its maximum number of bytes, and how often the
    /// intent is in the list.
    package static let finishScript =
        prelude + """
            local now = redis.pcall('GET', KEYS[1])
            if now == ARGV[2] then return 1 end
            if now ~= ARGV[1] then return 0 end
            call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
            if problem or not KEYS[2] then return problem or 1 end
            local isSame = redis.pcall('GETRANGE', KEYS[2], 0, ARGV[5]) == ARGV[4]
            if isSame then call('DEL', KEYS[2]) end
            if not problem then call('LREM', KEYS[3], isSame and ARGV[6] or 1, KEYS[2]) end
            if problem then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3]) end
            return problem or 1
            """

    /// The command that writes the outcome of an intent and removes it, unless it has another value by now; then only
    /// its entry is removed. It returns 0 and changes nothing if somebody has removed or replaced the former outcome,
    /// because the intent was submitted anew.
    package static func finish(_ name: String, _ intent: OpenIntent, outcome: String) -> RedisCommand {
        RedisCommand(
            finishScript, [IntentKey.result(of: name), name, IntentKey.list],
            [
                intent.mark, outcome, outcomeSeconds, intent.value, "\(IntentKey.valueLimit)", "\(intent.copies)",
            ])
    }

    /// The command that only writes the outcome; its answer is that of ``finish(_:_:outcome:)``.
    static func publish(_ name: String, _ intent: OpenIntent, outcome: String) -> RedisCommand {
        RedisCommand(finishScript, [IntentKey.result(of: name)], [intent.mark, outcome, outcomeSeconds])
    }

    /// The command that removes the value of an intent, unless it is another one by now; it returns 1 or 0.
    static func removeValue(of name: String, _ intent: OpenIntent) -> RedisCommand {
        let script = """
            if redis.call('GETRANGE', KEYS[1], 0, ARGV[2]) ~= ARGV[1] then return 0 end
            return redis.call('DEL', KEYS[1])
            """
        return RedisCommand(script, [name], [intent.value, "\(IntentKey.valueLimit)"])
    }

    /// The command that removes entries of the list.
    static func removeEntries(_ count: Int, of name: String) -> RedisCommand {
        RedisCommand("LREM", IntentKey.list, "\(count)", name)
    }

    /// The script of ``drop(_:copies:)``. Keys: the list and the intent. Argument: the number of entries.
    package static let dropScript = """
        if redis.call('TYPE', KEYS[2]).ok == 'string' then return 0 end
        return redis.call('LREM', KEYS[1], ARGV[1], KEYS[2])
        """

    /// The command that removes the entries of an intent without a value.
    package static func drop(_ name: String, copies: Int) -> RedisCommand {
        RedisCommand(dropScript, [IntentKey.list, name], ["\(copies)"])
    }
}

extension RedisCommand {
    fileprivate init(_ script: String, _ keys: [String], _ arguments: [String]) {
        self.init(words: ["EVAL", script, "\(keys.count)"] + keys + arguments)
    }
}
