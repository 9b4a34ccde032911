-- The oldest messages of each of several lanes. A read costs what it answers, never the backlog.
--
-- ARGV: nothing, a clock, then of each lane its number, after, limit, bytes. Answers of each whether
-- there is more, its name, and its messages: sequence, value, past.

local answer, lanes, found, all = {}, {}, {}, {}
local function payload_of(value) return payload_size(value, parse(value).body) end

for at = 3, #ARGV, 4 do
  local limit = math.max(tonumber(ARGV[at + 2]), 1)
  local seqs = call('ZRANGEBYSCORE', queue(ARGV[at]), '(' .. ARGV[at + 1], '+inf', 'LIMIT', 0, limit + 1)
  lanes[#lanes + 1], found[#found + 1] = ARGV[at], seqs
  for index = 1, #seqs do all[#all + 1] = seqs[index] end
end
-- Names and histories are small: all at once. Payloads are not: as far as each lane's bytes go.
local names, pasts, first = gather(NAMES, lanes), gather(PAST, all), 0
for ask, seqs in ipairs(found) do
  local at = 3 + (ask - 1) * 4
  local limit, most = math.max(tonumber(ARGV[at + 2]), 1), tonumber(ARGV[at + 3])
  local lane, bytes, whole, is_full = { 0, names[ask] or '' }, 0, 0, false
  for from = 1, #seqs, 128 do
    local part = {}
    for index = from, math.min(from + 127, #seqs) do part[#part + 1] = seqs[index] end
    local values = gather(MESSAGE, part)
    for index, seq in ipairs(part) do
      local value = values[index]
      local taken = (#lane - 2) / 3
      -- As long as whole values stay within the bytes, payloads do.
      if taken > 0 and (taken >= limit or (whole >= most and bytes >= most)) then
        lane[1], is_full = 1, true
        break
      end
      if value then
        local size = #lane
        lane[size + 1], lane[size + 2], lane[size + 3] = seq, value, pasts[first + from + index - 1] or ''
        if whole < most then
          whole = whole + #value
          if whole >= most then
            for each = 4, #lane, 3 do bytes = bytes + payload_of(lane[each]) end
          end
        else
          bytes = bytes + payload_of(value)
        end
      end
    end
    if is_full then break end
  end
  first = first + #seqs
  answer[ask] = lane
end
return answer
