-- The next lanes that have messages and are not blocked. ARGV: nothing, a clock, after, limit.

local from = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local lanes = call('ZRANGEBYLEX', TURNS, from, '+', 'LIMIT', 0, ARGV[4])
local names, answer = gather(NAMES, lanes), {}
for index, lane in ipairs(lanes) do
  answer[#answer + 1] = lane
  answer[#answer + 1] = names[index] or '0:'
end
return answer
