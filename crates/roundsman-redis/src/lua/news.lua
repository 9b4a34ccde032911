-- Lanes that nodes which stand by have put something into, for the owner. ARGV: epoch, now, how many
-- at most.

local refusal = fence()
if refusal then return refusal end
local lanes = call('SPOP', NEWS, ARGV[3])
local names, answer = gather(NAMES, lanes), {}
for index, lane in ipairs(lanes) do
  if names[index] then
    answer[#answer + 1] = lane
    answer[#answer + 1] = names[index]
  end
end
return answer
