-- Releasing the lanes of a topic where nobody was there, or those that a parked endpoint keeps.
--
-- ARGV: epoch, now, A and the topic, or P and the endpoint, or nothing for any; at most how many.
-- Answers whether there may be more, and lanes that have messages, each with its name.

local refusal = fence()
if refusal then return refusal end
local key = sub(ARGV[3], 1, 1) == 'A' and ABSENT or PARKED
local prefix = sub(ARGV[3], 2)
if key == ABSENT then prefix = #prefix .. ':' .. prefix end
local limit = tonumber(ARGV[4])
local from, to = '[' .. prefix, '[' .. prefix .. '\255'
if prefix == '' then from, to = '-', '+' end
local members = call('ZRANGEBYLEX', key, from, to, 'LIMIT', 0, limit)
local answer = { #members == limit and 1 or 0 }
for _, member in ipairs(members) do
  local lane = sub(member, -16)
  if set_block(lane, false) > 0 then
    answer[#answer + 1] = lane
    answer[#answer + 1] = call('HGET', NAMES, lane)
  end
end
return answer
