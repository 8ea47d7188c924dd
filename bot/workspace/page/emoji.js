// The names that bots use most; others stay as :name:.
const NAMES = {
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", wave: "👋", eyes: "👀", white_check_mark: "✅",
  heavy_check_mark: "✔️", x: "❌", warning: "⚠️", tada: "🎉", rocket: "🚀", bulb: "💡", mag: "🔍", books: "📚",
  book: "📖", page_facing_up: "📄", file_folder: "📁", link: "🔗", hourglass: "⌛",
  hourglass_flowing_sand: "⏳", arrows_counterclockwise: "🔄", question: "❓", exclamation: "❗",
  information_source: "ℹ️", speech_balloon: "💬", thinking_face: "🤔", raised_hands: "🙌", pray: "🙏",
  heart: "❤️", smile: "😄", slightly_smiling_face: "🙂", robot_face: "🤖", sparkles: "✨", fire: "🔥",
  bar_chart: "📊", chart_with_upwards_trend: "📈", chart_with_downwards_trend: "📉", calendar: "📅", memo: "📝",
  pencil: "📝", pencil2: "✏️", wastebasket: "🗑️", lock: "🔒", unlock: "🔓", bell: "🔔", no_bell: "🔕",
  point_right: "👉", arrow_right: "➡️", arrow_left: "⬅️", star: "⭐", gear: "⚙️", wrench: "🔧", zap: "⚡",
  red_circle: "🔴", large_green_circle: "🟢", large_yellow_circle: "🟡", large_blue_circle: "🔵",
  white_circle: "⚪", no_entry: "⛔", stop_sign: "🛑", paperclip: "📎", inbox_tray: "📥", outbox_tray: "📤",
  busts_in_silhouette: "👥", bust_in_silhouette: "👤", mortar_board: "🎓", moon: "🌔", crescent_moon: "🌙",
  seedling: "🌱", evergreen_tree: "🌲", broom: "🧹", shield: "🛡️", clipboard: "📋", brain: "🧠",
  rewind: "⏪", mailbox: "📫", ok_hand: "👌", clap: "👏", "100": "💯", card_index_dividers: "🗂️",
};

export const emoji = (name) => NAMES[name] || null;
