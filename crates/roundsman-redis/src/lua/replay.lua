-- Sending dead letters again, as new. ARGV: epoch, now, then of each its sequence, and the name and
-- shard of its lane. Answers of each: sequence, lane, whether that is open; those that are gone are left out.

local refusal = fence()
if refusal then return refusal end
local answer = {}
for at = 3, #ARGV, 3 do
  local old = ARGV[at]
  local letter, body = call('HGET', LETTERS, old), call('HGET', BODIES, old)
  if letter and body then
    letter = cjson.decode(letter)
    -- Lanes that ran empty are forgotten: the same name may have another number by now.
    local lane = intern(ARGV[at + 1], ARGV[at + 2])
    local seq = format('%d', call('HINCRBY', STATE, 'seq', 1))
    local record = { lane = lane, due = '', accepted = letter.a, expires = '', id = letter.i }
    relocate(old, record, 'K' .. seq)
    call('HDEL', LETTERS, old)
    call('HDEL', BODIES, old)
    call('ZREM', DEAD, old)
    call('HSET', MESSAGE, seq, build(record, body))
    call('HINCRBY', STATE, 'backlog', 1)
    tally(ACCOUNTS, { [letter.k] = 1 })
    local size = #answer
    answer[size + 1], answer[size + 2], answer[size + 3] = old, lane, push(lane, seq) and 1 or 0
  end
end
return answer
