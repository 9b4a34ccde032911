-- Blocking lanes, or releasing them.
--
-- ARGV: epoch, now, then of each its lane and what it waits for: A nobody is there, U and a moment,
-- P and an endpoint, nothing to release it. Answers lanes that have messages, each with its name.

local refusal = fence()
if refusal then return refusal end
local answer = {}
for at = 3, #ARGV, 2 do
  local block = ARGV[at + 1]
  if set_block(ARGV[at], block ~= '' and block) > 0 then
    answer[#answer + 1] = ARGV[at]
    answer[#answer + 1] = call('HGET', NAMES, ARGV[at])
  end
end
return answer
