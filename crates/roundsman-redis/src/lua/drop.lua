-- Removing dead letters for good; senders' ids are remembered for a day more.
--
-- ARGV: epoch, now, their sequences. Answers those that were there.

local refusal = fence()
if refusal then return refusal end
local answer = {}
for at = 3, #ARGV do
  local seq = ARGV[at]
  local letter = call('HGET', LETTERS, seq)
  if letter then
    letter = cjson.decode(letter)
    if sub(letter.i, 1, 1) == 'g' then
      remember_id(sub(letter.i, 2), 'G', letter.l, letter.a, letter.e, 0, '')
    else
      call('HDEL', MOVED, sub(letter.i, 2))
    end
    call('HDEL', LETTERS, seq)
    call('HDEL', BODIES, seq)
    call('ZREM', DEAD, seq)
    answer[#answer + 1] = seq
  end
end
flush()
return answer
